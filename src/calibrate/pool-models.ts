import { resolve } from 'node:path';
import { checkBases, shareTensors } from '../at-rest/compare-models.js';
import { modelPaths, type NamedPath } from '../at-rest/model-paths.js';
import { NamedCheckpoint } from '../at-rest/named-checkpoint.js';
import { openModels } from '../at-rest/open-models.js';
import type { PoolSettings } from './pool-schema.js';
import type { Problems } from './problems.js';
import { unrelatedModels } from './unrelated.js';

/** A model of the pool as it was found. */
export interface FoundModel extends NamedPath {
  /** what it is evaluated on */
  readonly task: string;
}

/** The models of a pool, as far as they could be found and opened; what stands against them is told to `problems`. */
export async function findModels(settings: PoolSettings, problems: Problems): Promise<FoundModel[]> {
  const listed = await listedModels(settings, problems);
  const base = await problems.collect(() => NamedCheckpoint.open(settings.base, false));
  if (base === undefined) {
    return listed.map((model) => ({ ...model, task: model.task ?? model.name }));
  }
  const open: { close(): Promise<void> }[] = [base];
  try {
    const models = (await problems.collect(() => openModels(listed, base, false))) ?? [];
    open.push(...models);
    if (models.length > 0) {
      const sharing = await problems.collect(() => shareTensors(base, models, settings.heads));
      await problems.collect(() => checkBases(base, models));
      problems.add(...(await unrelatedModels(base, models, sharing?.tensors ?? [])));
    }
    return listed.map((model, at) => {
      const name = model.isNamed ? model.name : (models[at]?.task ?? model.name);
      return { path: model.path, name, task: model.task ?? name };
    });
  } finally {
    await Promise.all(open.map((each) => each.close()));
  }
}

interface Listed extends NamedPath {
  readonly task: string | undefined;
  /** whether the pool file gives the name */
  readonly isNamed: boolean;
}

async function listedModels({ models, base }: PoolSettings, problems: Problems): Promise<Listed[]> {
  if (typeof models === 'string') {
    const found = (await problems.collect(() => modelPaths([models], base))) ?? [];
    return found.map((each) => ({ ...each, task: undefined, isNamed: false }));
  }
  const listed: Listed[] = [];
  for (const { name, path, task } of models) {
    const found = (await problems.collect(() => modelPaths([path], null, path))) ?? [];
    listed.push(
      ...found.map((each) => ({ path, name: name ?? each.name, task, isNamed: name !== undefined })),
    );
  }
  const places = listed.map(({ path }) => resolve(path));
  listed.forEach(({ name, path }, at) => {
    const first = listed[places.indexOf(places[at]!)]!;
    if (first !== listed[at]) {
      problems.add(`${name} and ${first.name} are one model, ${path}`);
    }
    if (places[at] === base) {
      problems.add(`${name} is the base, ${path}; a model is what was fine-tuned from it`);
    }
  });
  return listed;
}
