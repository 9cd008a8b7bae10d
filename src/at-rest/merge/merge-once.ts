import { openCheckpoint } from '../../tensors/index.js';
import type { ModelAtRest } from '../model.js';
import { type MergeFilesOptions, recordOf, withRule } from './merge-files.js';
import { sumRule } from './merge-rule.js';
import { type MergedFile, writeMergedFile } from './merged-file.js';
import { writeMergedTau } from './write-merged.js';

export interface MergeOnceOptions extends Omit<MergeFilesOptions, 'out' | 'coefficient'> {
  /** where the merged task vector is written, in float32: a file of the caller's, to be removed by it */
  readonly tau: string;
}

/** Models that are merged, to be written with any coefficient. */
export interface MergedOnce {
  /**
   * Writes base + coefficient * the merged task vector: to the last bit what `mergeFiles` writes with that coefficient.
   * @throws MergeOverflowError where a value is not finite in its dtype, MergeguardError where the file can not be written
   */
  write(out: string, coefficient: number): Promise<MergedFile>;
}

/**
 * Merges models once and works with the merge: a merge may take minutes, base + c * tau takes as long as copying.
 * @throws MergeguardError as `mergeFiles`
 */
export function mergeOnce<Result>(
  options: MergeOnceOptions,
  work: (merged: MergedOnce) => Promise<Result>,
): Promise<Result> {
  const { merge, tau: path, onProgress, signal, ...writing } = options;
  return withRule(options, 1, async (opened, rule) => {
    const { base, models, plan } = opened;
    await writeMergedTau(path, { base, models, plan, rule, onProgress, signal });
    const tau = await openTau(path);
    try {
      return await work({
        write: (out, coefficient) =>
          writeMergedFile(
            opened,
            sumRule({ weights: [1], factor: 1 }, coefficient),
            { ...writing, out, signal },
            recordOf(merge, coefficient),
            [tau],
          ),
      });
    } finally {
      await tau.close();
    }
  });
}

/** A task vector by itself, tensors that it does not hold being zero. */
async function openTau(path: string): Promise<ModelAtRest> {
  const file = await openCheckpoint(path);
  const shapes = new Map(file.names.map((name) => [name, file.info(name).shape]));
  return {
    name: 'the merged task vector',
    path,
    kind: 'reference',
    task: '',
    shapes,
    excluded: [],
    baseHash: null,
    form: (tensor) => (shapes.has(tensor) ? 'dense' : 'zero'),
    tau: (tensor, range) => file.readFloat32(tensor, range),
    weights: () => null,
    factors: (tensor) => Promise.reject(new Error(`${tensor} is not of low rank`)),
    storedParts: async () => undefined,
    close: () => file.close(),
  };
}
