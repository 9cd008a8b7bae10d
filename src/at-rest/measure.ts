import type { PairStatistics } from '../metrics/index.js';
import { elementCount } from '../tensors/index.js';
import { mapWithin } from '../threads/index.js';
import type { IndexPair } from './block-sums.js';
import type { ModelAtRest } from './model.js';
import type { NamedCheckpoint } from './named-checkpoint.js';
import { PairArrays, type TensorSide } from './pair-arrays.js';
import type { SharedTensor } from './shared-tensors.js';
import { type PartsSettings, tensorParts } from './tensor-parts.js';
import { sumsInFlight, tensorSums } from './tensor-sums.js';
import type { Workers } from './workers.js';

/** Bytes of weights that are in memory at a time, unless one tensor alone takes more: two of ViT-B/16's largest in float64. */
export const MEMORY = 128 << 20;

export interface MeasureOptions extends PartsSettings {
  readonly base: NamedCheckpoint | null;
  readonly models: readonly ModelAtRest[];
  /** pairs to measure, by index of their models */
  readonly pairs: readonly IndexPair[];
  readonly tensors: readonly SharedTensor[];
  readonly workers: Workers;
  /** `done` of `total` parameters are measured */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * PairStatistics of every asked pair, the first model as live and the second as the only reference, in float64. Tensor by
 * tensor: N decompositions and P sums a tensor, so that no pair decomposes anything again.
 */
export async function measurePairs(options: MeasureOptions): Promise<PairStatistics[]> {
  const { base, models, pairs, tensors, workers, slow, precise, onProgress, signal } = options;
  const arrays = pairs.map(() => new PairArrays(tensors.length));
  const total = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  let done = 0;
  // The largest first: what is left for the end is small and spreads evenly over the threads.
  const order = tensors
    .map((tensor, t) => ({ tensor, t, bytes: bytesInFlight(tensor, models.length, precise) }))
    .sort((a, b) => b.bytes - a.bytes);
  await mapWithin(order, { budget: MEMORY, weight: ({ bytes }) => bytes }, async ({ tensor, t }) => {
    signal?.throwIfAborted();
    const sums = await tensorSums(tensor, models, pairs, base, workers);
    const sides: TensorSide[] = [];
    for (const [m, model] of models.entries()) {
      const parts =
        tensor.shape.length === 2 ? await tensorParts(tensor, model, base, workers, options) : null;
      sides.push({ norm: sums.norms[m]!, parts });
    }
    pairs.forEach(([a, b], p) => {
      arrays[p]!.set(t, sides[a]!, sides[b]!, { dot: sums.dots[p]!, distance: sums.distances[p]! });
    });
    done += elementCount(tensor.shape);
    onProgress?.(done, total);
  });
  return pairs.map(([a, b], p) => arrays[p]!.statistics(models[a]!.name, models[b]!.name, tensors, slow));
}

/** Bytes of weights that measuring one tensor holds at its fullest: when it is summed over, or when one model's is decomposed. */
export function bytesInFlight({ shape }: SharedTensor, models: number, precise: boolean): number {
  const size = elementCount(shape);
  // A decomposition takes one task vector, and the base's values until they are subtracted.
  const decomposed = shape.length === 2 ? 2 * size : 0;
  return (precise ? 8 : 4) * Math.max(sumsInFlight(size, models), decomposed);
}
