import type { NamedTensors } from '../../src/tensors/index.js';
import { Random } from '../../src/tensors/random.js';

export const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'norm.weight': [5],
  'up.weight': [7, 4],
  'patch.kernel': [2, 3, 2],
};

export function fill(value: (name: string, i: number) => number): NamedTensors {
  return new Map(
    Object.entries(SHAPES).map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, { shape, data: Float32Array.from({ length: size }, (_, i) => value(name, i)) }];
    }),
  );
}

/** Random task vector; `coarse` ones have few distinct values, so ties and exact cancellation happen. */
export function randomTau(coarse: boolean, ...seed: (string | number)[]): NamedTensors {
  const random = new Random(...seed);
  return fill(() => (coarse ? random.integer(7) - 3 : random.normal()));
}

export function flat(tensors: NamedTensors): number[] {
  return [...tensors.values()].flatMap(({ data }) => [...data]);
}

/** Slow, obvious, on flat arrays of float64. */
export const slow = {
  sum: (taus: readonly number[][]) => taus[0]!.map((_, i) => taus.reduce((sum, tau) => sum + tau[i]!, 0)),
  ties: (taus: readonly number[][], density: number, coefficient: number) =>
    slow.tiesByTensor([taus], density, coefficient),
  /** each tensor trimmed by itself: [tensors][k][values] -> all values */
  tiesByTensor(tensors: readonly (readonly number[][])[], density: number, coefficient: number): number[] {
    const trimmed = tensors.map((taus) => taus.map((tau) => slow.trim(tau, density)));
    const whole = trimmed[0]!.map((_, m) => trimmed.flatMap((taus) => taus[m]!));
    const signs = slow.sum(whole).map(Math.sign);
    const majority = signs.reduce((x, y) => x + y, 0) < 0 ? -1 : 1;
    return signs.map((sign, i) => {
      const elected = sign === 0 ? majority : sign;
      const agreeing = whole.map((tau) => tau[i]!).filter((value) => Math.sign(value) === elected);
      return agreeing.length === 0
        ? 0
        : (coefficient * agreeing.reduce((x, y) => x + y, 0)) / agreeing.length;
    });
  },
  trim(tau: readonly number[], density: number): number[] {
    const kept = Math.max(1, Math.floor(density * tau.length));
    const threshold = tau.map(Math.abs).sort((x, y) => y - x)[kept - 1]!;
    return tau.map((value) => (Math.abs(value) >= threshold ? value : 0));
  },
  linear: (taus: readonly number[][], weights: readonly number[]) =>
    slow.sum(taus.map((tau, m) => tau.map((value) => weights[m]! * value))),
  /** of weights, not task vectors, with the arc drawn in the plane of the two */
  slerp(a: readonly number[], b: readonly number[], t: number): number[] {
    const norm = (v: readonly number[]) => Math.hypot(...v);
    const cosine = slow.dot(a, b) / (norm(a) * norm(b));
    if (!(Math.abs(cosine) <= 0.9995)) {
      return a.map((value, i) => (1 - t) * value + t * b[i]!);
    }
    const angle = Math.acos(cosine);
    const [ours, theirs] = [Math.sin((1 - t) * angle), Math.sin(t * angle)];
    return a.map((value, i) => (ours * value + theirs * b[i]!) / Math.sin(angle));
  },
  dot: (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0),
};
