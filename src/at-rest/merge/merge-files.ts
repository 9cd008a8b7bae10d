import { availableParallelism } from 'node:os';
import { type ConfiguredMerge, checkModelCount } from '../../merging/index.js';
import { modelPaths, type NamedPath } from '../model-paths.js';
import { methodRule } from './merge-rule.js';
import { type MergedFile, type WriteOptions, writeMergedFile } from './merged-file.js';
import { withModels } from './with-models.js';

export interface MergeFilesOptions extends WriteOptions {
  /** fine-tuned checkpoints, LoRA adapters, reference files, mixed: as paths (see `modelPaths`), or under names of the caller's own */
  readonly models: readonly string[] | readonly NamedPath[];
  readonly merge: ConfiguredMerge;
  /** worker threads for methods that decompose matrices; defaults to one a core */
  readonly threads?: number | undefined;
}

/**
 * Merges models at rest into one checkpoint, tensor by tensor: memory does not grow with the models, but for methods that must look
 * at a tensor as a whole, where it grows with the largest one. What base and models hold in one shape is merged; everything else
 * is as in the base, under the base's names.
 * @throws MergeguardError for models that can not be merged, with everything that stands against it, for values that are not
 * finite, and where the file can not be written; nothing is left of it then
 */
export async function mergeFiles(options: MergeFilesOptions): Promise<MergedFile> {
  const { base, models, merge, heads = [], threads = availableParallelism(), onFindings, signal } = options;
  const paths = await namedPaths(models, base);
  checkModelCount(merge.method, merge.parameters, paths.length);
  return withModels({ base, models: paths, heads, onFindings, signal }, async (opened) => {
    const rule = methodRule(merge, paths.length, threads, signal);
    try {
      const record = { merge: merge.id, method: merge.method.name, parameters: merge.parameters };
      return await writeMergedFile(opened, rule, options, record);
    } finally {
      await rule.close();
    }
  });
}

async function namedPaths(
  models: readonly string[] | readonly NamedPath[],
  base: string,
): Promise<readonly NamedPath[]> {
  const isNamed = (model: string | NamedPath): model is NamedPath => typeof model !== 'string';
  const named = models.filter(isNamed);
  return named.length === models.length ? named : modelPaths(models as readonly string[], base);
}
