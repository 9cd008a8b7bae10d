import { LEAST_TASKS } from '../fingerprint/table.js';
import { type ConfiguredMerge, configureMerge, mergeMethod } from '../merging/index.js';
import { someOf } from '../tensors/index.js';
import { templateProblems } from './command-template.js';
import { drawGroups } from './groups.js';
import { contentIdentity } from './identity.js';
import { type CalibrationPool, canMerge, type PoolModel } from './pool.js';
import type { PoolFile } from './pool-file.js';
import { type FoundModel, findModels } from './pool-models.js';
import type { PoolSettings } from './pool-schema.js';
import { Problems } from './problems.js';

/**
 * Looks at everything that a calibration needs before anything that takes long.
 *
 * @param known what was found wrong already; told with the rest
 * @throws MergeguardError with everything that stands against the pool
 */
export async function openPool(
  { path, name, folder, settings }: PoolFile,
  {
    signal,
    known = [],
  }: { readonly signal?: AbortSignal | undefined; readonly known?: readonly string[] } = {},
): Promise<CalibrationPool> {
  const { base, evaluate, heads, selfProbe } = settings;
  const problems = new Problems();
  problems.add(...known);
  const merges = await readMerges(settings, problems);
  const found = await findModels(settings, problems);
  problems.add(...nameProblems(found));
  const count = typeof settings.models === 'string' ? found.length : settings.models.length;
  if (count > 0 && count < LEAST_TASKS) {
    problems.add(`${count} models; a fingerprint is fitted on the pairs of at least ${LEAST_TASKS}`);
  }
  const groups = (await problems.collect(() => drawGroups(settings.groups, count))) ?? [];
  if (evaluate.command !== undefined) {
    problems.add(...templateProblems(evaluate.command));
  } else if (heads.length > 0) {
    problems.add('heads: the base of a zoo pool is an encoder without any; leave the option out');
  } else if (!problems.any) {
    // With it comes tfjs, which no command needs.
    const { zooProblem } = await import('./zoo-evaluator.js');
    for (const model of found) {
      const problem = await zooProblem(model.path, model.task, evaluate.zoo!);
      problems.add(...(problem === null ? [] : [`${model.name}: ${problem}`]));
    }
  }
  problems.refuse(`${path} can not be calibrated:`);
  const models: PoolModel[] = [];
  for (const model of found) {
    models.push({ ...model, identity: await contentIdentity(model.path, signal) });
  }
  return {
    name,
    folder,
    base,
    baseIdentity: await contentIdentity(base, signal),
    models,
    merges,
    groups,
    heads,
    selfProbe,
    evaluate,
    notices: [...sameTaskNotices(models), ...groupNotices(merges, groups)],
  };
}

/** The merge methods, each with its parameters, for pairs. */
async function readMerges({ methods }: PoolSettings, problems: Problems): Promise<ConfiguredMerge[]> {
  const merges: ConfiguredMerge[] = [];
  for (const method of methods) {
    const entries = typeof method === 'string' ? [method] : Object.entries(method);
    for (const entry of entries) {
      const merge = await problems.collect(() =>
        typeof entry === 'string' ? mergeMethod(entry) : configureMerge(...entry),
      );
      if (merge === undefined) {
        continue;
      }
      if (!canMerge(merge, 2)) {
        problems.add(`${merge.id} can not merge two models, and a fingerprint is fitted on pairs`);
      }
      if (merges.some(({ id }) => id === merge.id)) {
        problems.add(`merge method ${merge.id} is there twice`);
      }
      merges.push(merge);
    }
  }
  return merges;
}

function nameProblems(models: readonly FoundModel[]): string[] {
  const names = models.map(({ name }) => name);
  const twice = [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
  return [
    ...twice.map((name) => {
      const paths = models.filter((model) => model.name === name).map(({ path }) => path);
      return `${paths.length} models are called ${name} (${someOf(paths, 3)}); give each a name of its own`;
    }),
    ...names
      .filter((name) => name !== name.trim() || /\p{Cc}/u.test(name) || name === '__proto__')
      .map((name) => `"${name}" can not be the name of a model in a table; give it another`),
  ];
}

/** Every model is a task of its own in the table. */
function sameTaskNotices(models: readonly PoolModel[]): string[] {
  return [...new Set(models.map(({ task }) => task))].flatMap((task) => {
    const names = models.filter((model) => model.task === task).map(({ name }) => name);
    return names.length < 2
      ? []
      : [
          `${someOf(names, 4)} are of one task, ${task}: leaving one of them out does not hide the task from the fit, ` +
            'so that what the fingerprint is said to be worth is too good',
        ];
  });
}

function groupNotices(merges: readonly ConfiguredMerge[], groups: readonly (readonly number[])[]): string[] {
  const sizes = [...new Set(groups.map(({ length }) => length))];
  return merges.flatMap((merge) => {
    const never = sizes.filter((size) => !canMerge(merge, size));
    return never.length === 0
      ? []
      : [`${merge.id} can not merge ${never.join(' or ')} models: left out there`];
  });
}
