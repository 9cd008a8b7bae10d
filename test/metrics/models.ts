import {
  FUNCTIONAL,
  FUNCTIONAL_WIDTH,
  type GradientRecipe,
  type HostModel,
  hostStatistics,
  type NumericTensors,
  type PairStatistics,
} from '../../src/metrics/index.js';
import { Random } from '../../src/tensors/random.js';

export const SHAPES = {
  'norm.weight': [5],
  'up.weight': [7, 4],
  'down.weight': [3, 6],
  'patch.kernel': [2, 3, 2],
};

export const RECIPE: GradientRecipe = {
  kind: 'calibration',
  batch: 32,
  reduction: 'mean',
  clipped: false,
  accumulated: 1,
  lossScale: 1,
};

export function randomTensors(...seed: (string | number)[]): NumericTensors {
  const random = new Random(...seed);
  return new Map(
    Object.entries(SHAPES).map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, { shape, data: Float64Array.from({ length: size }, () => random.normal()) }];
    }),
  );
}

export function mapTensors(
  tensors: NumericTensors,
  change: (value: number, i: number, name: string) => number,
): NumericTensors {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [
      name,
      { shape, data: Float64Array.from(data, (value, i) => change(value, i, name)) },
    ]),
  );
}

export function randomModel(...seed: (string | number)[]): HostModel {
  return {
    taskVector: randomTensors('tau', ...seed),
    gradient: { tensors: randomTensors('gradient', ...seed), recipe: RECIPE },
  };
}

export function scaled(model: HostModel, factor: number): HostModel {
  const times = (tensors: NumericTensors) => mapTensors(tensors, (value) => factor * value);
  return {
    taskVector: times(model.taskVector),
    ...(model.gradient && {
      gradient: { tensors: times(model.gradient.tensors), recipe: model.gradient.recipe },
    }),
  };
}

/** ‖a‖², ‖b‖², a.b and ‖a - b‖² */
export function gramOf(a: ArrayLike<number>, b: ArrayLike<number>): [number, number, number, number] {
  const gram: [number, number, number, number] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    gram[0] += a[i]! ** 2;
    gram[1] += b[i]! ** 2;
    gram[2] += a[i]! * b[i]!;
    gram[3] += (a[i]! - b[i]!) ** 2;
  }
  return gram;
}

/**
 * Statistics of two models from which every metric comes: the first tensor of their task vectors stands for the mean
 * activation, and twice that for the input gradient.
 */
export function measured(live: HostModel, reference: HostModel, name: string, k?: number): PairStatistics {
  const given = hostStatistics({
    live,
    references: [{ ...reference, name }],
    ...(k === undefined ? {} : { k }),
  });
  const [a, b] = [live, reference].map(({ taskVector }) => [...taskVector.values()][0]!.data);
  const gram = gramOf(a!, b!);
  const functional = new Float64Array(FUNCTIONAL_WIDTH);
  functional.set(gram, FUNCTIONAL.activationLive);
  functional.set(
    gram.map((value) => 4 * value),
    FUNCTIONAL.inputGradientLive,
  );
  const { activation: _, inputGradient: __, ...absent } = given.absent;
  return { ...given, functional, absent };
}
