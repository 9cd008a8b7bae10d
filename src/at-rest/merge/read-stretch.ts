import type { TensorToMerge } from '../../merging/index.js';
import { lowRankProduct } from '../../reference/index.js';
import { elementCount, MergeguardError, toFloat32 } from '../../tensors/index.js';
import type { ModelAtRest } from '../model.js';
import type { NamedCheckpoint, Values } from '../named-checkpoint.js';
import { allFinite } from '../tensor-parts.js';
import type { Stretch } from './stretches.js';

/** Values of one stretch in fresh arrays. */
export interface StretchValues {
  /** [k] what each model adds to the base */
  readonly taus: Float32Array[];
  /** null where it was not asked for */
  readonly base: Values | null;
}

/**
 * Task vectors of a stretch, products of factors multiplied out, and zeros where a model leaves the tensor alone.
 * @param withBase whether the base's values are asked for too
 * @throws MergeguardError where a value of the base or of a model is NaN or infinite
 */
export async function readStretch(
  stretch: Stretch,
  base: NamedCheckpoint,
  models: readonly ModelAtRest[],
  withBase: boolean,
): Promise<StretchValues> {
  const { tensor, range } = stretch;
  let ofBase: Promise<Values> | undefined;
  const readBase = () => {
    ofBase ??= base.read(tensor.name, range);
    return ofBase;
  };
  const taus = await Promise.all(models.map((model) => readFinite(stretch, model, readBase)));
  const isSubtracted = ofBase !== undefined;
  const from = withBase ? await readBase() : null;
  // Differences from the base are finite only where it is; of others nothing is known.
  if (from !== null && !isSubtracted && !allFinite(from)) {
    throw notFinite(tensor.name, 'the base');
  }
  return { taus, base: from };
}

export function notFinite(tensor: string, whose: string): MergeguardError {
  return new MergeguardError(
    `${tensor} of ${whose} holds NaN or infinite values, which can not be merged; leave the model out, or the tensor (--heads ${tensor})`,
  );
}

/** A stretch as methods take it: a tensor of its own. */
export function tensorToMerge({ tensor, range }: Stretch, { taus, base }: StretchValues): TensorToMerge {
  const { name, shape } = tensor;
  const isWhole = range.count === elementCount(shape);
  return {
    name,
    shape: isWhole ? shape : [range.count],
    taus,
    base: base === null ? null : toFloat32(base),
  };
}

/** Looked at while it is still in the processor's cache. */
async function readFinite(
  stretch: Stretch,
  model: ModelAtRest,
  readBase: () => Promise<Values>,
): Promise<Float32Array> {
  const tau = await readTau(stretch, model, readBase);
  if (!allFinite(tau)) {
    const { name } = stretch.tensor;
    throw notFinite(name, allFinite(await readBase()) ? model.name : 'the base');
  }
  return tau;
}

/** Task vector of a stretch, as a model stores it: it may hold NaN and infinity. */
export async function readTau(
  { tensor, range }: Stretch,
  model: ModelAtRest,
  readBase: () => Promise<Values>,
): Promise<Float32Array> {
  const { name, shape } = tensor;
  switch (model.form(name)) {
    case 'zero':
      return new Float32Array(range.count);
    case 'dense':
      return toFloat32(await model.tau(name, range, readBase));
    case 'low-rank': {
      const { rank, left, right } = await model.factors(name);
      const columns = elementCount(shape) / shape[0]!;
      const rows = left.subarray(
        (range.start / columns) * rank,
        ((range.start + range.count) / columns) * rank,
      );
      return lowRankProduct(rows, right, rank);
    }
  }
}
