import type { HostModel, NumericTensors } from '../../src/metrics/index.js';
import type { GradientRecipe } from '../../src/metrics/pair-statistics.js';
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
