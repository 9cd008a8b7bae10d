import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileProblem, problemsOf, someOf } from '../tensors/index.js';
import { isOtherKind, SAVE_AGAIN } from './other-kinds.js';

/** Files that make a folder one model. */
export const CHECKPOINT_FILES = ['model.safetensors', 'model.safetensors.index.json'];
export const ADAPTER_FILE = 'adapter_config.json';
const MODEL_FILES = [...CHECKPOINT_FILES, ADAPTER_FILE];
const ENDING = /(?<=[^\\/])\.safetensors(\.index\.json)?$/;

/** A path that a user gave, or one of the models in a folder that they gave. */
export interface NamedPath {
  readonly name: string;
  readonly path: string;
}

/**
 * Models by the paths that a user gave. A folder that is no model itself stands for every safetensors file and every
 * model folder in it, but for the base and for what is given by itself. Each is named by its file's stem or its folder;
 * those that would share a name are told apart by the folders around them.
 *
 * @param base path of the base, which is no model of a folder that it lies in
 * @param single what must be one model; defaults to nothing
 * @throws MergeguardError with every path that is not there, is no model, or is given twice
 */
export async function modelPaths(
  given: readonly string[],
  base: string | null,
  single: string | null = null,
): Promise<NamedPath[]> {
  const except = new Set([...(base === null ? [] : [base]), ...given].map((path) => resolve(path)));
  const paths: string[] = [];
  const problems: string[] = [];
  for (const path of given) {
    const found = await expand(path, except);
    if (typeof found === 'string') {
      problems.push(found);
    } else if (path === single && found.length > 1) {
      const names = nameApart(found).map(({ name }) => name);
      problems.push(
        `the folder "${path}" holds ${found.length} models (${someOf(names, 4)}); give one of them`,
      );
    } else {
      paths.push(...found);
    }
  }
  const places = paths.map((path) => resolve(path));
  for (const place of new Set(places.filter((path, at) => places.indexOf(path) !== at))) {
    problems.push(`"${paths[places.indexOf(place)]}" is given twice`);
  }
  if (problems.length > 0) {
    throw problemsOf('these models can not be used:', problems);
  }
  return nameApart(paths);
}

/** The paths that a path stands for, or what is wrong with it. */
async function expand(path: string, except: ReadonlySet<string>): Promise<string[] | string> {
  let entries: { name: string; isFile: boolean }[];
  try {
    if (!(await stat(path)).isDirectory()) {
      return isOtherKind(path) ? `"${path}" is not a safetensors file; ${SAVE_AGAIN}` : [path];
    }
    entries = await entriesOf(path);
  } catch (error) {
    return `the model "${path}" can't be opened: ${fileProblem(error)}`;
  }
  if (entries.some(({ name }) => MODEL_FILES.includes(name))) {
    return [path];
  }
  const models: string[] = [];
  for (const { name, isFile } of entries) {
    const inside = join(path, name);
    if (except.has(resolve(inside))) {
      continue;
    }
    if (isFile ? name.endsWith('.safetensors') : await isModelFolder(inside)) {
      models.push(inside);
    }
  }
  if (models.length > 0) {
    return models;
  }
  const other = entries.find(({ name }) => isOtherKind(name));
  return other === undefined
    ? `the folder "${path}" holds no model: neither ${MODEL_FILES.join(' nor ')}, nor other safetensors files, nor folders with such`
    : `the folder "${path}" holds "${other.name}", which is not a safetensors file; ${SAVE_AGAIN}`;
}

/** What lies in a folder, links followed; links that lead nowhere are not there. */
async function entriesOf(folder: string): Promise<{ name: string; isFile: boolean }[]> {
  const entries: { name: string; isFile: boolean }[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (found !== null) {
      entries.push({ name, isFile: found.isFile() });
    }
  }
  return entries;
}

async function isModelFolder(path: string): Promise<boolean> {
  const names = await readdir(path).catch((): string[] => []);
  return names.some((name) => MODEL_FILES.includes(name));
}

function nameApart(paths: readonly string[]): NamedPath[] {
  const stems = paths.map((path) => resolve(path).replace(ENDING, ''));
  // "a.safetensors" and a folder "a" beside it differ in the ending alone
  const places = stems.map((stem, at) =>
    (stems.indexOf(stem) === stems.lastIndexOf(stem) ? stem : resolve(paths[at]!)).split(/[\\/]/),
  );
  return paths.map((path, at) => ({ path, name: shortestName(places, at) }));
}

/** The last parts of a path, as many as no other ends with. */
function shortestName(places: readonly (readonly string[])[], at: number): string {
  const end = (place: readonly string[], length: number) => place.slice(-length).join('/');
  const place = places[at]!;
  let length = 1;
  while (
    length < place.length &&
    places.some((other, o) => o !== at && end(other, length) === end(place, length))
  ) {
    length += 1;
  }
  return end(place, length);
}
