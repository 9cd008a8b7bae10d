import * as tf from '@tensorflow/tfjs';
import type {
  LossGradients,
  SteeredTensor,
  SteeringContext,
  SteeringReference,
} from '../../src/steering/index.js';
import { Random } from '../../src/tensors/random.js';

/** A live model at random weights beside a base: tensors that a term steers, and a head that none may touch. */
export interface Model {
  readonly tensors: readonly SteeredTensor[];
  readonly base: readonly tf.Tensor[];
  readonly head: tf.Variable;
  readonly variables: tf.Variable[];
  dispose(): void;
}

export interface Stored {
  readonly name: string;
  readonly shape: number[];
  /** stored [in, out] */
  readonly transposed?: boolean;
}

export const STORED: readonly Stored[] = [
  { name: 'up.weight', shape: [5, 4] },
  { name: 'down.weight', shape: [4, 6], transposed: true },
  { name: 'norm.bias', shape: [7] },
];

/** Random float32 weights of three magnitudes, so that sums round. */
export function makeModel(stored: readonly Stored[] = STORED, seed = 1): Model {
  const random = new Random('steering', seed);
  const draw = (shape: number[], deviation: number) => {
    const values = random.normals(tf.util.sizeFromShape(shape), deviation);
    return tf.tensor(
      values.map((value) => value * 10 ** random.integer(3)),
      shape,
    );
  };
  const base = stored.map(({ shape }) => draw(shape, 0.1));
  const tensors = stored.map(({ name, shape, transposed = false }, index) => {
    const start = tf.tidy(() => tf.add(base[index], draw(shape, 0.01)));
    const variable = tf.variable(start);
    start.dispose();
    return { name, variable, transposed, isFactor: false, base: () => base[index].clone() };
  });
  const start = draw([3], 1);
  const head = tf.variable(start);
  start.dispose();
  const variables = [...tensors.map(({ variable }) => variable), head];
  return { tensors, base, head, variables, dispose: () => tf.dispose([...variables, ...base]) };
}

type Subspaces = SteeringReference['rightSubspaces'];

/** A reference with what it is given of; arrays run along the steered tensors, null where it has none of one. */
export function referenceOf(
  model: Model,
  parts: {
    subspaces?: Subspaces;
    taus?: readonly (tf.Tensor | null)[];
    gradients?: readonly (tf.Tensor | null)[];
    inputs?: tf.Tensor;
  } = {},
): SteeringReference {
  const of = (given: readonly (tf.Tensor | null)[] | undefined) => (tensor: SteeredTensor) =>
    given?.[model.tensors.findIndex(({ name }) => name === tensor.name)]?.clone() ?? null;
  return {
    name: 'reference',
    rightSubspaces: parts.subspaces ?? new Map(),
    tau: of(parts.taus),
    gradient: of(parts.gradients),
    hasInputs: parts.inputs !== undefined,
    inputs: parts.inputs ?? null,
  };
}

export function contextOf(
  model: Model,
  options: Partial<Pick<SteeringContext, 'references' | 'activations'>> & { seed?: number } = {},
): SteeringContext {
  const { references = [], activations = null, seed = 0 } = options;
  return { tensors: model.tensors, references, activations, random: new Random('jitter', seed) };
}

/** Random tensors of the shapes of the steered ones; the caller's. */
export function likeTensors(model: Model, seed: string, deviation = 0.1): tf.Tensor[] {
  const random = new Random(seed);
  return model.tensors.map(({ variable: { shape, size } }) =>
    tf.tensor(random.normals(size, deviation), shape),
  );
}

/** Gradients as a hook takes them. */
export function gradientsOf(model: Model, loss: () => tf.Scalar): LossGradients {
  return tf.variableGrads(loss, model.variables);
}

export function valuesOf(variables: readonly tf.Variable[]): Float32Array[] {
  return variables.map((variable) => Float32Array.from(variable.dataSync()));
}

/** The bits of every weight. */
export function bitsOf(variables: readonly tf.Variable[]): Uint32Array[] {
  return valuesOf(variables).map(({ buffer }) => new Uint32Array(buffer));
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}
