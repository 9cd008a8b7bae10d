import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { VERSION } from '../../guard/version.js';
import type { Dtype } from '../../tensors/index.js';
import type { Finding } from '../compatibility/index.js';
import type { ModelAtRest } from '../model.js';
import type { Excluded } from '../named-checkpoint.js';
import type { MergeRule } from './merge-rule.js';
import type { MergedDtype } from './merged-output.js';
import type { OpenedFiles } from './with-models.js';
import { writeMerged } from './write-merged.js';

/** What every way to write a merged model takes. */
export interface WriteOptions {
  /** the checkpoint that all models were fine-tuned from */
  readonly base: string;
  /** the safetensors file to write; one that is there is replaced when the new one is whole */
  readonly out: string;
  /** of every tensor of floats; defaults to the base's own, tensor by tensor */
  readonly dtype?: MergedDtype | undefined;
  /** names, or first parts of names, that stay as they are in the base; defaults to none */
  readonly heads?: readonly string[];
  /** `done` of `total` parameters, all passes over them together */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** what the models' configuration files say, before any tensor is read */
  readonly onFindings?: ((findings: readonly Finding[]) => void) | undefined;
  /** stops the work, which then throws its reason and leaves no file; defaults to none */
  readonly signal?: AbortSignal | undefined;
}

export type MergedModel = Pick<ModelAtRest, 'name' | 'path' | 'kind'>;

/** A merged model that was written. Names of tensors are canonical. */
export interface MergedFile {
  readonly out: string;
  readonly bytes: number;
  /** of its merged tensors, each dtype once */
  readonly dtypes: readonly Dtype[];
  /** in the order of parameters that speak of one */
  readonly models: readonly MergedModel[];
  /** tensors of the base that were merged, and how many it holds */
  readonly merged: number;
  readonly total: number;
  /** fraction of the base's parameters that was merged */
  readonly share: number;
  /** written with the values of another merged tensor, being one weight with it: name -> that one's */
  readonly tied: Readonly<Record<string, string>>;
  /** one weight with another in the base, written apart: a model changes one alone, or one is not merged. Name -> that one's */
  readonly apart: Readonly<Record<string, string>>;
  /** written as they are in the base, and why */
  readonly copied: readonly Excluded[];
  /** tensors of the models that were not written, and why */
  readonly left: readonly Excluded[];
  readonly findings: readonly Finding[];
}

/** Key of the file's metadata under which it says how it was made, in JSON. */
export const RECORD = 'mergeguard';

/**
 * @param record how the model was made: goes into the file's metadata
 * @param sources what the rule merges, where it is not the models themselves
 */
export async function writeMergedFile(
  { base, models, plan, findings }: OpenedFiles,
  rule: MergeRule,
  { base: path, out, dtype, heads = [], onProgress, signal }: WriteOptions,
  record: Readonly<Record<string, unknown>>,
  sources: readonly ModelAtRest[] = models,
): Promise<MergedFile> {
  const metadata = {
    // transformers loads no file without it
    format: base.metadata.format ?? 'pt',
    [RECORD]: JSON.stringify({
      by: `mergeguard ${VERSION}`,
      ...record,
      base: basename(resolve(path)),
      models: models.map(({ name }) => name),
      heads,
      dtype: dtype ?? null,
    }),
  };
  const merging = { base, models: sources, plan, rule, onProgress, signal };
  await writeMerged(out, { ...merging, dtype: dtype ?? null }, metadata);
  return {
    out,
    bytes: (await stat(out)).size,
    dtypes: [...new Set(plan.merged.map(({ name }) => dtype ?? base.info(name).dtype))],
    models: models.map(({ name, path, kind }) => ({ name, path, kind })),
    merged: plan.merged.length + plan.tied.size,
    total: base.originals.size,
    share: plan.share,
    tied: Object.fromEntries(plan.tied),
    apart: Object.fromEntries(plan.apart),
    copied: plan.copied,
    left: plan.left,
    findings,
  };
}
