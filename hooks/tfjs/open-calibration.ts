import * as tf from '@tensorflow/tfjs';
import { messageOf } from '../../src/tensors/errors.js';
import { formatShape, listProblems, MergeguardError } from '../../src/tensors/index.js';
import { Calibration, type CalibrationBatch, type CalibrationFunctions } from './calibration.js';
import { isLayersModel, type LiveWeights } from './layout.js';
import { evaluationChunks } from './sample-chunks.js';

/**
 * A run's calibration batch on the device, at most `samples` of it, checked by asking the model.
 * @throws MergeguardError for labels that do not fit the inputs or the model's classes, a `predict` or `activation` that
 * throws or does not give one row a sample, a `predict` that is missing, an unknown `layer`
 */
export async function openCalibration(
  batch: CalibrationBatch,
  weights: LiveWeights,
  samples: number,
): Promise<Calibration> {
  const functions = {
    ...prediction(batch, weights),
    predictWith: batch.predictWith ?? null,
    activation: activationOf(batch, weights),
  };
  const { values, classes } = await labelsOf(batch.labels);
  const inputs = batch.inputs.shape[0] ?? 0;
  if (inputs !== values.length || inputs === 0) {
    throw new MergeguardError(
      `the calibration batch has ${inputs} inputs and ${values.length} labels; give one label an input, and at least one`,
    );
  }
  const calibration = new Calibration(batch.inputs, values.subarray(0, samples), functions);
  try {
    const scored = predictedClasses(calibration);
    const problems = labelProblems(values, scored);
    if (classes !== null && classes !== scored) {
      problems.push(`one-hot labels have ${classes} classes, the model scores ${scored}`);
    }
    if (problems.length > 0) {
      throw new MergeguardError(listProblems('the labels of the calibration batch are wrong:', problems));
    }
    if (functions.activation) {
      checkActivation(calibration, functions.activation);
    }
  } catch (error) {
    calibration.dispose();
    throw error;
  }
  return calibration;
}

function prediction(
  { predict, output }: CalibrationBatch,
  weights: LiveWeights,
): Pick<CalibrationFunctions, 'predict' | 'output'> {
  if (predict) {
    return { predict, output: output ?? 'logits' };
  }
  if (!isLayersModel(weights)) {
    throw new MergeguardError(
      'the calibration batch needs `predict` (inputs to scores) where the model is no LayersModel',
    );
  }
  const last = weights.layers.at(-1);
  const isSoftmax = last?.getClassName() === 'Softmax' || last?.getConfig().activation === 'softmax';
  return {
    predict: (inputs) => weights.apply(inputs, { training: false }) as tf.Tensor,
    output: output ?? (isSoftmax ? 'probabilities' : 'logits'),
  };
}

/** The function that gives hidden activations; null where the batch names none. */
function activationOf(
  { activation, layer }: CalibrationBatch,
  weights: LiveWeights,
): CalibrationFunctions['activation'] {
  if (activation || layer === undefined) {
    return activation ?? null;
  }
  if (!isLayersModel(weights)) {
    throw new MergeguardError(
      `the calibration batch names the layer "${layer}", but the model is no LayersModel; give \`activation\` (inputs to hidden activations) too`,
    );
  }
  const found = weights.layers.find(({ name }) => name === layer);
  if (!found || !(found.output instanceof tf.SymbolicTensor)) {
    const known = weights.layers.map(({ name }) => name).join(', ');
    const what = found ? `has several outputs` : `is not in the model`;
    throw new MergeguardError(`the layer "${layer}" of the calibration batch ${what}; there are ${known}`);
  }
  const upToIt = tf.model({ inputs: weights.inputs, outputs: found.output });
  return (inputs) => upToIt.apply(inputs, { training: false }) as tf.Tensor;
}

/** Class numbers, and the number of classes where the labels are one-hot. */
async function labelsOf(
  labels: CalibrationBatch['labels'],
): Promise<{ values: Int32Array; classes: number | null }> {
  if (!(labels instanceof tf.Tensor)) {
    return { values: wholeNumbers(labels), classes: null };
  }
  if (labels.rank === 2) {
    const classNumbers = tf.tidy(() => tf.argMax(labels, 1));
    const values = Int32Array.from(await classNumbers.data());
    classNumbers.dispose();
    return { values, classes: labels.shape[1] as number };
  }
  if (labels.rank !== 1) {
    throw new MergeguardError(
      `the labels of the calibration batch are ${formatShape(labels.shape)}, but must be [N] class numbers or [N, classes] one-hot`,
    );
  }
  return { values: wholeNumbers(await labels.data()), classes: null };
}

function wholeNumbers(labels: ArrayLike<number>): Int32Array {
  const broken = Array.from(labels).find((label) => !Number.isInteger(label));
  if (broken !== undefined) {
    throw new MergeguardError(
      `the calibration batch has a label ${broken}; labels are class numbers from 0, or one-hot rows`,
    );
  }
  return Int32Array.from(labels);
}

/** Number of classes that the model scores, asked with as many samples as are evaluated at once. */
function predictedClasses(calibration: Calibration): number {
  const [{ size }] = evaluationChunks(calibration.samples);
  const what = 'the model can not predict the calibration batch';
  const shape = shapeOf(what, () => calibration.scores(calibration.first(size)));
  const [rows, classes] = shape;
  if (shape.length !== 2 || rows !== size || classes < 2) {
    throw new MergeguardError(
      `predictions for ${size} samples of the calibration batch are ${formatShape(shape)}, but must be scores [${size}, classes] of at least 2 classes; give a \`predict\` that returns such`,
    );
  }
  return classes;
}

function checkActivation(calibration: Calibration, activation: (inputs: tf.Tensor) => tf.Tensor): void {
  const [{ size }] = evaluationChunks(calibration.samples);
  const what = 'the activations of the calibration batch can not be taken';
  const shape = shapeOf(what, () => activation(calibration.first(size)));
  if (shape.length < 2 || shape[0] !== size) {
    throw new MergeguardError(
      `activations for ${size} samples of the calibration batch are ${formatShape(shape)}, but must be [${size}, ...], one row a sample; give an \`activation\` that returns such`,
    );
  }
}

/** Of what a function of the user's returns; [] where that is no tensor. @throws MergeguardError beginning with `what` */
export function shapeOf(what: string, compute: () => unknown): readonly number[] {
  try {
    return tf.tidy(() => {
      const result = compute();
      return result instanceof tf.Tensor ? result.shape : [];
    });
  } catch (error) {
    throw new MergeguardError(`${what}: ${messageOf(error)}`);
  }
}

function labelProblems(labels: Int32Array, classes: number): string[] {
  const wrong = [...labels.entries()].filter(([, label]) => label < 0 || label >= classes);
  return wrong.map(
    ([sample, label]) => `sample ${sample} has class ${label}, the model scores 0..${classes - 1}`,
  );
}
