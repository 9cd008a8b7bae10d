import { basename, dirname, resolve } from 'node:path';
import type { MergedFile } from '../at-rest/index.js';
import {
  type ConfiguredMerge,
  type MergekitConfig,
  type MergekitModels,
  mergekitConfig,
} from '../merging/index.js';

const DTYPES: Partial<Record<string, MergekitModels['dtype']>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/** Where the mergekit file of a merged model lies: M.safetensors has M.mergekit.yaml beside it. */
export function mergekitPath(out: string): string {
  return `${out.replace(/\.safetensors$/, '')}.mergekit.yaml`;
}

/** The merge that was made in mergekit's words, with absolute paths, or why there is none. */
export function mergekitOf(
  merge: ConfiguredMerge,
  base: string,
  { models, dtypes }: MergedFile,
  coefficient: number,
): MergekitConfig {
  const references = models.filter(({ kind }) => kind === 'reference').map(({ name }) => name);
  if (references.length > 0) {
    return { reason: `mergekit can not read reference files (${references.join(', ')})` };
  }
  const origin = placeOf(base);
  const dtype = dtypes.length === 1 ? DTYPES[dtypes[0]!] : undefined;
  const called: MergekitModels = {
    base: origin,
    models: models.map(({ path, kind }) =>
      kind === 'adapter' ? `${origin}+${placeOf(path)}` : placeOf(path),
    ),
    ...(dtype === undefined ? {} : { dtype }),
  };
  return mergekitConfig(merge, called, coefficient);
}

/** Names of files that stand for the folder they lie in. */
const OF_FOLDER = /^(adapter_config\.json|(adapter_)?model\.safetensors(\.index\.json)?)$/;

function placeOf(path: string): string {
  const place = resolve(path);
  return OF_FOLDER.test(basename(place)) ? dirname(place) : place;
}
