import { modelPaths } from '../model-paths.js';
import { sumRule } from './merge-rule.js';
import { type MergedFile, type WriteOptions, writeMergedFile } from './merged-file.js';
import { withModels } from './with-models.js';

export interface WriteModelOptions extends WriteOptions {
  /** a fine-tuned checkpoint, a LoRA adapter or a reference file */
  readonly model: string;
  /** factor on its task vector; defaults to 1 */
  readonly scale?: number | undefined;
}

/**
 * Writes base + scale * the task vector of one model as a checkpoint: an adapter or a reference as a model of its own, or a model part of
 * the way. Streams, and says what was left out, as `mergeFiles` does. With scale 1 values of a checkpoint may differ from its own in
 * the last bit.
 * @throws MergeguardError as `mergeFiles`
 */
export async function writeModel(options: WriteModelOptions): Promise<MergedFile> {
  const { base, model, scale = 1, heads = [], onFindings, signal } = options;
  const models = await modelPaths([model], base, model);
  return withModels({ base, models, heads, onFindings, signal }, (opened) =>
    writeMergedFile(opened, sumRule({ weights: [1], factor: 1 }, scale), options, { scale }),
  );
}
