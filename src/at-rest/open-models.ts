import { readdir, stat } from 'node:fs/promises';
import { FORMAT } from '../reference/index.js';
import { isAdapter, MergeguardError, openSafetensors, problemsOf } from '../tensors/index.js';
import { openAdapterModel } from './adapter-model.js';
import { openCheckpointModel } from './checkpoint-model.js';
import type { ModelAtRest } from './model.js';
import { ADAPTER_FILE, CHECKPOINT_FILES, type NamedPath } from './model-paths.js';
import type { NamedCheckpoint } from './named-checkpoint.js';
import { openReferenceModel } from './reference-model.js';

/**
 * Opens models of any kind.
 * @param base may be null where only reference files are opened
 * @param precise task vectors in float64
 * @throws MergeguardError with everything that is wrong with any of them
 */
export async function openModels(
  paths: readonly NamedPath[],
  base: NamedCheckpoint | null,
  precise: boolean,
): Promise<ModelAtRest[]> {
  const models: ModelAtRest[] = [];
  const problems: string[] = [];
  const baseless: string[] = [];
  for (const named of paths) {
    try {
      const model = await openModel(named, base, precise);
      if (model === null) {
        baseless.push(named.path);
      } else {
        models.push(model);
      }
    } catch (error) {
      if (!(error instanceof MergeguardError)) {
        await closeAll(models);
        throw error;
      }
      problems.push(error.message);
    }
  }
  if (baseless.length > 0) {
    const [what, whose] =
      baseless.length === 1 ? ['no reference file', 'its'] : ['no reference files', 'their'];
    problems.push(`${baseless.join(', ')}: ${what}, so that ${whose} base is needed: give it with --base`);
  }
  if (problems.length > 0) {
    await closeAll(models);
    throw problemsOf('these models can not be opened:', problems);
  }
  return models;
}

async function closeAll(models: readonly ModelAtRest[]): Promise<void> {
  await Promise.all(models.map((model) => model.close()));
}

/** Null where the base is needed and there is none. */
async function openModel(
  { name, path }: NamedPath,
  base: NamedCheckpoint | null,
  precise: boolean,
): Promise<ModelAtRest | null> {
  if (await isReference(path)) {
    return openReferenceModel(path, name);
  }
  if (base === null) {
    return null;
  }
  return (await isAdapter(path)) || (await isHalfAdapter(path))
    ? openAdapterModel(path, name, base, precise)
    : openCheckpointModel(path, name, precise);
}

/** A folder with an adapter's configuration and no model at all: opened as an adapter it says what is missing. */
async function isHalfAdapter(path: string): Promise<boolean> {
  const names = await readdir(path).catch((): string[] => []);
  return names.includes(ADAPTER_FILE) && !CHECKPOINT_FILES.some((file) => names.includes(file));
}

async function isReference(path: string): Promise<boolean> {
  if (path.endsWith('.json') || !(await stat(path)).isFile()) {
    return false;
  }
  const file = await openSafetensors(path);
  try {
    return file.metadata.format === FORMAT;
  } finally {
    await file.close();
  }
}
