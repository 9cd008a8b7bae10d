import * as tf from '@tensorflow/tfjs';
import { inVariableLayout, type SharedTensor } from '../../../hooks/tfjs/layout.js';
import { DeviceStatistics, type Reading } from '../../../hooks/tfjs/statistics.js';
import type { GradientRecipe, NumericTensors, PairStatistics } from '../../../src/metrics/index.js';
import { makeReference, type Reference } from '../../../src/reference/index.js';
import {
  canonicalVariable,
  elementCount,
  type HostTensor,
  type NamedTensors,
  permute,
  Random,
} from '../../../src/tensors/index.js';

export const RECIPE: GradientRecipe = {
  kind: 'calibration',
  batch: 32,
  reduction: 'mean',
  clipped: false,
  accumulated: 1,
  lossScale: 1,
};

/** Shapes as tfjs stores them, by tfjs path. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

/** Odd sizes, a scalar, 1-D, matrices stored both ways, a convolution. */
export const SHAPES: Shapes = {
  scale: [],
  'norm/gamma': [37],
  'up/kernel': [23, 31],
  'up/bias': [31],
  'down.weight': [19, 29],
  'conv/kernel': [3, 3, 2, 5],
  'long/bias': [300],
  'thin/kernel': [1, 7],
};

/** Canonical tensors of normals; columns of matrices get smaller, so that the spectrum has gaps. */
export function randomTensors(shapes: Shapes, deviation: number, ...seed: (string | number)[]): NamedTensors {
  const random = new Random(...seed);
  const tensors = new Map<string, HostTensor>();
  for (const [path, stored] of Object.entries(shapes)) {
    const { name, shape } = canonicalVariable(path, stored);
    const data = random.normals(elementCount(shape), deviation);
    if (shape.length === 2) {
      const columns = shape[1];
      data.forEach((value, i) => {
        data[i] = value * 0.8 ** (i % columns);
      });
    }
    tensors.set(name, { shape, data });
  }
  return tensors;
}

export function sum(a: NamedTensors, b: NamedTensors): NamedTensors {
  return new Map(
    [...a].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value, i) => value + b.get(name)!.data[i]) },
    ]),
  );
}

/** Float32 weights minus those of the base, in float64. */
export function exactTau(base: NamedTensors, model: NamedTensors): NumericTensors {
  return new Map(
    [...base].map(([name, { shape, data }]) => [
      name,
      { shape, data: Float64Array.from(data, (value, i) => model.get(name)!.data[i] - value) },
    ]),
  );
}

/** Variables at these canonical values, laid out as tfjs stores them; dispose them afterwards. */
export function sharedTensors(shapes: Shapes, values: NamedTensors): SharedTensor[] {
  return Object.entries(shapes).map(([path, stored]) => {
    const { name, shape, permutation } = canonicalVariable(path, stored);
    const variable = tf.variable(tf.zeros([...stored]));
    const tensor = { name, shape, variable, permutation, trainable: true, factors: null };
    assign(tensor, values.get(name)!);
    return tensor;
  });
}

export function assign(tensor: SharedTensor, value: HostTensor): void {
  const { variable } = tensor;
  const next = tf.tensor(inVariableLayout(tensor, value), variable.shape);
  variable.assign(next);
  next.dispose();
}

export function assignAll(tensors: readonly SharedTensor[], values: NamedTensors): void {
  for (const tensor of tensors) {
    assign(tensor, values.get(tensor.name)!);
  }
}

/** Canonical gradients as an optimiser gets them: by variable name, in the variables' layout. */
export function gradientMap(tensors: readonly SharedTensor[], values: NamedTensors): tf.NamedTensorMap {
  return Object.fromEntries(
    tensors.map((tensor) => [
      tensor.variable.name,
      tf.tensor(inVariableLayout(tensor, values.get(tensor.name)!), tensor.variable.shape),
    ]),
  );
}

/** A variable's value in canonical layout. */
export async function canonicalValue({ shape, variable, permutation }: SharedTensor): Promise<HostTensor> {
  const data = Float32Array.from(await variable.data());
  return { shape, data: permutation ? permute(data, variable.shape, permutation) : data };
}

export function referenceOf(
  name: string,
  base: NamedTensors,
  tau: NamedTensors,
  gradient: NamedTensors | null = null,
): Reference {
  const recipe = gradient && { ...RECIPE };
  return makeReference({ name, base, model: sum(base, tau), gradient, gradientRecipe: recipe });
}

/** Measures these weights again and again, until the tracked subspaces have settled. */
export async function settle(statistics: DeviceStatistics, ticks = 60): Promise<Reading> {
  const nothing = tf.zeros([1]) as tf.Tensor1D;
  let reading: Reading | null = null;
  for (let tick = 0; tick < ticks; tick++) {
    const packed = statistics.measure(nothing);
    reading = statistics.read((await packed.data()) as Float32Array, 1);
    packed.dispose();
  }
  nothing.dispose();
  return reading!;
}

/** What the guard is handed. */
export function complete({ statistics }: Reading): PairStatistics {
  return { ...statistics, run: 'test', step: 1, time: '2026-01-02T03:04:05.000Z', selfProbe: null };
}

export function deviceStatistics(
  tensors: readonly SharedTensor[],
  references: readonly Reference[],
  options: Partial<ConstructorParameters<typeof DeviceStatistics>[2]> = {},
): DeviceStatistics {
  return new DeviceStatistics(tensors, references, {
    k: 10,
    powerIterations: 1,
    gradientDecay: 0.9,
    recipe: { ...RECIPE, kind: 'ema' },
    unmeasured: {},
    ...options,
  });
}

export function disposeAll(statistics: DeviceStatistics, tensors: readonly SharedTensor[]): void {
  statistics.dispose();
  tf.dispose(tensors.map(({ variable }) => variable));
}
