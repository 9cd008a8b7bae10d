import * as tf from '@tensorflow/tfjs';
import type { GuardConfig } from '../../src/guard/index.js';
import type { SteeredTensor } from '../../src/steering/index.js';
import { messageOf } from '../../src/tensors/errors.js';
import { formatShape, listProblems, MergeguardError } from '../../src/tensors/index.js';
import { isLayersModel, type LiveWeights } from './layout.js';
import { type CalibrationBatch, SelfProber } from './self-probe.js';

/**
 * The self-prober of a run, its calibration batch checked by one prediction; null where there is no batch or the
 * configuration switches it off.
 * @throws MergeguardError for labels that do not fit the inputs or the model's classes, or a `predict` that is
 * missing, throws, or does not give scores [N, classes]
 */
export async function makeProber(
  batch: CalibrationBatch | undefined,
  weights: LiveWeights,
  tensors: readonly SteeredTensor[],
  { enabled, scale, samples }: GuardConfig['selfProbe'],
): Promise<SelfProber | null> {
  if (!batch || !enabled) {
    return null;
  }
  const complete = { ...batch, ...prediction(batch, weights) };
  const { values, classes } = await labelsOf(batch.labels);
  const inputs = batch.inputs.shape[0] ?? 0;
  if (inputs !== values.length || inputs === 0) {
    throw new MergeguardError(
      `the calibration batch has ${inputs} inputs and ${values.length} labels; give one label an input, and at least one`,
    );
  }
  const prober = new SelfProber(complete, values, tensors, { scale, samples });
  try {
    const scored = predictedClasses(prober);
    const problems = labelProblems(values, scored);
    if (classes !== null && classes !== scored) {
      problems.push(`one-hot labels have ${classes} classes, the model scores ${scored}`);
    }
    if (problems.length > 0) {
      throw new MergeguardError(listProblems('the labels of the calibration batch are wrong:', problems));
    }
  } catch (error) {
    prober.dispose();
    throw error;
  }
  return prober;
}

function prediction(
  { predict, output }: CalibrationBatch,
  weights: LiveWeights,
): Required<Pick<CalibrationBatch, 'predict' | 'output'>> {
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

/** Number of classes that the model scores. */
function predictedClasses(prober: SelfProber): number {
  let shape: readonly number[];
  try {
    shape = tf.tidy(() => {
      const scores: unknown = prober.predict();
      return scores instanceof tf.Tensor ? scores.shape : [];
    });
  } catch (error) {
    const text = messageOf(error);
    throw new MergeguardError(`the model can not predict the calibration batch: ${text}`);
  }
  const [rows, classes] = shape;
  if (shape.length !== 2 || rows !== prober.samples || classes < 2) {
    throw new MergeguardError(
      `predictions for the calibration batch are ${formatShape(shape)}, but must be scores [${prober.samples}, classes] of at least 2 classes; give a \`predict\` that returns such`,
    );
  }
  return classes;
}

function labelProblems(labels: Int32Array, classes: number): string[] {
  const wrong = [...labels.entries()].filter(([, label]) => label < 0 || label >= classes);
  return wrong.map(
    ([sample, label]) => `sample ${sample} has class ${label}, the model scores 0..${classes - 1}`,
  );
}
