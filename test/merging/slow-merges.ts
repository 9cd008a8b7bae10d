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
  ties(taus: readonly number[][], density: number, coefficient: number): number[] {
    const trimmed = taus.map((tau) => {
      const kept = Math.max(1, Math.floor(density * tau.length));
      const threshold = tau.map(Math.abs).sort((x, y) => y - x)[kept - 1]!;
      return tau.map((value) => (Math.abs(value) >= threshold ? value : 0));
    });
    const signs = slow.sum(trimmed).map(Math.sign);
    const majority = signs.reduce((x, y) => x + y, 0) < 0 ? -1 : 1;
    return signs.map((sign, i) => {
      const elected = sign === 0 ? majority : sign;
      const agreeing = trimmed.map((tau) => tau[i]!).filter((value) => Math.sign(value) === elected);
      return agreeing.length === 0
        ? 0
        : (coefficient * agreeing.reduce((x, y) => x + y, 0)) / agreeing.length;
    });
  },
};
