import { elementCount } from '../tensors/index.js';
import type { BlockSums, IndexPair } from './block-sums.js';
import { lowRankNorm, lowRankPair, lowRankWithDense, type PairSums } from './low-rank-sums.js';
import type { LowRank, ModelAtRest } from './model.js';
import type { NamedCheckpoint, Values } from './named-checkpoint.js';
import type { SharedTensor } from './shared-tensors.js';
import type { Workers } from './workers.js';

/** Values of all models together that are in memory at a time: 32 MB of float32. */
const BLOCK = 1 << 23;

/** Values of a tensor that are read of every model at a time. */
function stretchOf(models: number): number {
  return Math.max(1, Math.floor(BLOCK / models));
}

/** Values that are in memory at a time while a tensor of `size` values is summed over: a stretch of every model and of the base. */
export function sumsInFlight(size: number, models: number): number {
  return (models + 1) * Math.min(size, stretchOf(models));
}

/** Norms of N models and sums of P pairs over one tensor. */
export async function tensorSums(
  tensor: SharedTensor,
  models: readonly ModelAtRest[],
  pairs: readonly IndexPair[],
  base: NamedCheckpoint | null,
  workers: Workers,
): Promise<BlockSums> {
  const sums: BlockSums = {
    norms: new Float64Array(models.length),
    dots: new Float64Array(pairs.length),
    distances: new Float64Array(pairs.length),
  };
  await addDense(tensor, models, pairs, base, workers, sums);
  await addLowRank(tensor, models, pairs, base, sums);
  pairs.forEach(([a, b], p) => {
    // A tensor that one of the two left alone: the other's own length is the distance.
    const forms = [models[a]!.form(tensor.name), models[b]!.form(tensor.name)];
    if (forms.includes('zero')) {
      sums.distances[p] = sums.norms[a]! + sums.norms[b]!;
    }
  });
  return sums;
}

/** Pairs of dense task vectors, stretch by stretch. */
async function addDense(
  { name, shape }: SharedTensor,
  models: readonly ModelAtRest[],
  pairs: readonly IndexPair[],
  base: NamedCheckpoint | null,
  workers: Workers,
  sums: BlockSums,
): Promise<void> {
  const dense = models.flatMap((model, index) => (model.form(name) === 'dense' ? [index] : []));
  if (dense.length === 0) {
    return;
  }
  const place = new Map(dense.map((index, at) => [index, at]));
  const asked = pairs.flatMap(([a, b], p) => {
    const [one, other] = [place.get(a), place.get(b)];
    return one === undefined || other === undefined ? [] : [{ p, pair: [one, other] as IndexPair }];
  });
  const size = elementCount(shape);
  const step = stretchOf(dense.length);
  for (let start = 0; start < size; start += step) {
    const range = { start, count: Math.min(step, size - start) };
    // Read by the first model that asks: references do not, and what is read ahead may fail while nobody waits for it.
    let ofBase: Promise<Values> | undefined;
    const readBase = () => {
      ofBase ??= base!.read(name, range);
      return ofBase;
    };
    const vectors = await Promise.all(dense.map((index) => models[index]!.tau(name, range, readBase)));
    const found = await workers.sums(
      vectors,
      asked.map(({ pair }) => pair),
      name,
    );
    dense.forEach((index, at) => {
      sums.norms[index]! += found.norms[at]!;
    });
    asked.forEach(({ p }, at) => {
      sums.dots[p]! += found.dots[at]!;
      sums.distances[p]! += found.distances[at]!;
    });
  }
}

/** Pairs in which one or both are of low rank. */
async function addLowRank(
  { name }: SharedTensor,
  models: readonly ModelAtRest[],
  pairs: readonly IndexPair[],
  base: NamedCheckpoint | null,
  sums: BlockSums,
): Promise<void> {
  const factors = new Map<number, LowRank>();
  for (const [index, model] of models.entries()) {
    if (model.form(name) === 'low-rank') {
      factors.set(index, await model.factors(name));
      sums.norms[index] = lowRankNorm(factors.get(index)!);
    }
  }
  const add = (p: number, { dot, distance }: PairSums) => {
    sums.dots[p] = dot;
    sums.distances[p] = distance;
  };
  pairs.forEach(([a, b], p) => {
    const [one, other] = [factors.get(a), factors.get(b)];
    if (one !== undefined && other !== undefined) {
      add(p, lowRankPair(one, other));
    }
  });
  // One dense task vector at a time, and each of them once.
  for (const [index, model] of models.entries()) {
    const partners = model.form(name) === 'dense' ? partnersOf(index, pairs, factors) : [];
    if (partners.length > 0) {
      const dense = await model.tau(name, undefined, () => base!.read(name));
      for (const [p, partner] of partners) {
        add(p, lowRankWithDense(partner, dense));
      }
    }
  }
}

/** Pairs of one model with those that have factors: place of the pair, and the factors. */
function partnersOf(
  index: number,
  pairs: readonly IndexPair[],
  factors: ReadonlyMap<number, LowRank>,
): [number, LowRank][] {
  return pairs.flatMap(([a, b], p): [number, LowRank][] => {
    const partner = a === index ? factors.get(b) : b === index ? factors.get(a) : undefined;
    return partner === undefined ? [] : [[p, partner]];
  });
}
