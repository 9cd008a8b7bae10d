import { availableParallelism } from 'node:os';
import { type ConfiguredMerge, checkModelCount } from '../../merging/index.js';
import { modelPaths, type NamedPath } from '../model-paths.js';
import { type MergeRule, methodRule } from './merge-rule.js';
import { type MergedFile, type WriteOptions, writeMergedFile } from './merged-file.js';
import { type OpenedFiles, withModels } from './with-models.js';

export interface MergeFilesOptions extends WriteOptions {
  /** fine-tuned checkpoints, LoRA adapters, reference files, mixed: as paths (see `modelPaths`), or under names of the caller's own */
  readonly models: readonly string[] | readonly NamedPath[];
  readonly merge: ConfiguredMerge;
  /** c of base + c * the merged task vector; defaults to 1 */
  readonly coefficient?: number | undefined;
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
  const { merge, coefficient = 1 } = options;
  return withRule(options, coefficient, (opened, rule) =>
    writeMergedFile(opened, rule, options, recordOf(merge, coefficient)),
  );
}

/** Opens the models of a merge, and the method. @param scale factor on the merged task vector */
export async function withRule<Result>(
  options: Omit<MergeFilesOptions, 'out' | 'coefficient'>,
  scale: number,
  work: (opened: OpenedFiles, rule: MergeRule) => Promise<Result>,
): Promise<Result> {
  const { base, models, merge, heads = [], threads = availableParallelism(), onFindings, signal } = options;
  const paths = await namedPaths(models, base);
  checkModelCount(merge.method, merge.parameters, paths.length);
  return withModels({ base, models: paths, heads, onFindings, signal }, async (opened) => {
    const rule = methodRule(merge, paths.length, { threads, scale, signal });
    try {
      return await work(opened, rule);
    } finally {
      await rule.close();
    }
  });
}

/** How a merged model was made, for its metadata. */
export function recordOf(
  { id, method, parameters }: ConfiguredMerge,
  coefficient: number,
): Record<string, unknown> {
  return { merge: id, method: method.name, parameters, coefficient };
}

async function namedPaths(
  models: readonly string[] | readonly NamedPath[],
  base: string,
): Promise<readonly NamedPath[]> {
  const isNamed = (model: string | NamedPath): model is NamedPath => typeof model !== 'string';
  const named = models.filter(isNamed);
  return named.length === models.length ? named : modelPaths(models as readonly string[], base);
}
