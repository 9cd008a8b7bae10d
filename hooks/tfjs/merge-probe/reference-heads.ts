import * as tf from '@tensorflow/tfjs';
import type { Reference } from '../../../src/reference/index.js';
import {
  canonicalVariable,
  formatShape,
  type HostTensor,
  matchTensors,
  type NamedTensors,
  shapesOf,
  someOf,
} from '../../../src/tensors/index.js';
import type { Calibration } from '../calibration.js';
import { type HeadTensor, inVariableLayout } from '../layout.js';

/** How a model is asked for a reference's task. */
export interface TaskHead {
  /** Inputs to scores, with the encoder's weights as they stand. */
  predict(inputs: tf.Tensor): tf.Tensor;
  /** what variables of the live model hold meanwhile; empty where none is to be changed */
  readonly instead: ReadonlyMap<tf.Variable, tf.Tensor>;
  dispose(): void;
}

/**
 * A reference's own head: given to `predictWith` where there is one, else put in the place of the live model's where it has the very same
 * tensors. One without a head is asked by the live model's.
 * @returns why there is no way, where there is none
 */
export function openHead(
  { head }: Pick<Reference, 'head'>,
  calibration: Calibration,
  live: readonly HeadTensor[],
): TaskHead | string {
  const { predictWith } = calibration;
  const predict = (inputs: tf.Tensor) => calibration.scores(inputs);
  if (head === null) {
    return { predict, instead: new Map(), dispose: () => {} };
  }
  if (predictWith !== null) {
    const tensors = onDevice(head);
    return {
      predict: (inputs) => predictWith(inputs, tensors),
      instead: new Map(),
      dispose: () => tf.dispose(tensors),
    };
  }
  const shapes = new Map(live.map((tensor) => [tensor.name, tensor.shape]));
  const { problems } = matchTensors(shapes, shapesOf(head));
  if (problems.length > 0) {
    return `its head does not fit the live model's (${someOf(problems, 2)}): it can't be merge-probed; give the calibration batch a \`predictWith\``;
  }
  const instead = new Map(
    live.map((tensor) => [
      tensor.variable,
      deviceTensor(tensor, tensor.variable.shape, head.get(tensor.name)!),
    ]),
  );
  return { predict, instead, dispose: () => tf.dispose([...instead.values()]) };
}

/** By canonical name, in the layout of tfjs. */
function onDevice(head: NamedTensors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    [...head].map(([name, value]) => {
      const { shape, permutation } = kernelLayout(name, value.shape);
      return [name, deviceTensor({ permutation }, shape, value)];
    }),
  );
}

/** How tfjs would store a tensor [out, in, ...] of this canonical name. */
function kernelLayout(name: string, shape: readonly number[]) {
  if (!/(^|\.)weight$/.test(name) || shape.length < 2) {
    return { shape, permutation: null };
  }
  const [out, width, ...window] = shape;
  const stored = [...window, width, out];
  return { shape: stored, permutation: canonicalVariable('kernel', stored).permutation };
}

function deviceTensor(
  layout: Pick<HeadTensor, 'permutation'>,
  shape: readonly number[],
  value: HostTensor,
): tf.Tensor {
  return tf.keep(tf.tensor(inVariableLayout(layout, value), [...shape]));
}

/** What keeps scores of this shape, of so many samples, from being held against labels; null where nothing does. */
export function scoresProblem(shape: readonly number[], samples: number, labels: Int32Array): string | null {
  const [rows, classes] = shape;
  if (shape.length !== 2 || rows !== samples || classes < 2) {
    return `scores of its samples are ${formatShape(shape)}, but must be [${samples}, classes] of at least 2 classes`;
  }
  const wrong = labels.find((label) => label < 0 || label >= classes);
  return wrong === undefined
    ? null
    : `a sample has class ${wrong}, and the head that it is asked by scores 0..${classes - 1}`;
}
