import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FORMAT } from '../reference/index.js';
import { isAdapter, listProblems, MergeguardError, messageOf, openSafetensors } from '../tensors/index.js';
import { openAdapterModel } from './adapter-model.js';
import { openCheckpointModel } from './checkpoint-model.js';
import type { ModelAtRest } from './model.js';
import type { NamedCheckpoint } from './named-checkpoint.js';
import { openReferenceModel } from './reference-model.js';

/** Files that make a folder one model. */
const MODEL_FILES = ['model.safetensors', 'model.safetensors.index.json', 'adapter_config.json'];
const ENDING = /\.safetensors(\.index\.json)?$/;

/** A path that a user gave, or one of the models in a folder that they gave. */
export interface NamedPath {
  readonly name: string;
  readonly path: string;
}

/**
 * Models by the paths that a user gave. A folder that is no model itself stands for every safetensors file and every model folder in
 * it. Each is named by its file's stem or its folder; those that would share a name are told apart by the folder
 * around them.
 *
 * @param except the base, which is no model of a folder that it lies in
 * @throws MergeguardError for a path that is not there, a folder without models, or one model twice
 */
export async function modelPaths(given: readonly string[], except: string | null): Promise<NamedPath[]> {
  const paths: string[] = [];
  for (const path of given) {
    paths.push(...(await expand(path, except)));
  }
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    if (seen.has(resolve(path))) problems.push(`${path} is given twice`);
    seen.add(resolve(path));
  }
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('these models can not be compared:', problems));
  }
  return nameApart(paths);
}

async function expand(path: string, except: string | null): Promise<string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw new MergeguardError(`the model "${path}" can't be opened: ${messageOf(error)}`);
  }
  if (!isFolder) {
    return [path];
  }
  const entries = await readdir(path, { withFileTypes: true });
  if (entries.some(({ name }) => MODEL_FILES.includes(name))) {
    return [path];
  }
  const models: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inside = join(path, entry.name);
    if (except !== null && resolve(inside) === resolve(except)) {
      continue;
    }
    if (entry.isFile() && entry.name.endsWith('.safetensors')) {
      models.push(inside);
    } else if (entry.isDirectory() && (await readdir(inside)).some((name) => MODEL_FILES.includes(name))) {
      models.push(inside);
    }
  }
  if (models.length === 0) {
    throw new MergeguardError(
      `the folder "${path}" holds no model: neither ${MODEL_FILES.join(' nor ')}, nor other safetensors files, nor folders with such`,
    );
  }
  return models;
}

function nameApart(paths: readonly string[]): NamedPath[] {
  const stem = (path: string) => basename(resolve(path)).replace(ENDING, '');
  const names = paths.map(stem);
  return paths.map((path, at) => {
    const isShared = names.filter((name) => name === names[at]).length > 1;
    return { path, name: isShared ? `${basename(dirname(resolve(path)))}/${names[at]}` : names[at]! };
  });
}

/**
 * Opens a model of any kind.
 * @param base may be null where only reference files are opened
 * @param precise task vectors in float64
 */
export async function openModel(
  { name, path }: NamedPath,
  base: NamedCheckpoint | null,
  precise: boolean,
): Promise<ModelAtRest> {
  if (await isReference(path)) {
    return openReferenceModel(path, name);
  }
  if (base === null) {
    throw new MergeguardError(
      `${path} is not a reference file, so that its base is needed: give it with --base`,
    );
  }
  return (await isAdapter(path))
    ? openAdapterModel(path, name, base)
    : openCheckpointModel(path, name, precise);
}

async function isReference(path: string): Promise<boolean> {
  if (!path.endsWith('.safetensors') || !(await stat(path)).isFile()) {
    return false;
  }
  const file = await openSafetensors(path);
  try {
    return file.metadata.format === FORMAT;
  } finally {
    await file.close();
  }
}
