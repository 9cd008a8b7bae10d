import * as tf from '@tensorflow/tfjs';
import type { Reference } from '../../../src/reference/index.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import { referenceWeights } from '../activation-part.js';
import type { Calibration } from '../calibration.js';
import { sampleProblem, storedSamples } from '../calibration-samples.js';
import type { HeadTensor, SharedTensor } from '../layout.js';
import { leaveNoTrace } from '../leave-no-trace.js';
import { shapeOf } from '../open-calibration.js';
import type { Chunk } from '../sample-chunks.js';
import { LiveSnapshot } from './live-snapshot.js';
import { openHead, scoresProblem, type TaskHead } from './reference-heads.js';
import { type Answers, TaskSamples, take } from './task-samples.js';

/** A task that models are asked about, by its own head. */
export interface ProbedTask {
  readonly samples: TaskSamples;
  readonly head: Pick<TaskHead, 'predict' | 'instead'>;
}

/** A reference's task, and how the reference itself does. */
export interface ReferenceTask extends ProbedTask {
  readonly reference: Reference;
  /** null: it is asked by the live model's head, which moves, and each time anew */
  readonly own: Answers | null;
  dispose(): void;
}

/** The live model as a merge probe needs it. */
export interface ProbedModel {
  readonly variables: readonly tf.Variable[];
  readonly nonTrainable: readonly tf.Variable[];
  /** every tensor that references share, frozen ones too */
  readonly shared: readonly SharedTensor[];
  readonly heads: readonly HeadTensor[];
  readonly calibration: Calibration;
}

/** [2, size] what the model of a snapshot answers, as `TaskSamples.ask` says; the live weights are bit-identical afterwards. */
export function askIn(
  snapshot: LiveSnapshot,
  { samples, head }: ProbedTask,
  chunk: Chunk,
  nonTrainable: readonly tf.Variable[],
): tf.Tensor2D {
  return tf.tidy(() =>
    leaveNoTrace(nonTrainable, (watch) =>
      snapshot.within(() => samples.ask(chunk, (inputs) => watch(() => head.predict(inputs))), head),
    ),
  );
}

/**
 * Makes ready a reference's task, at most `most` samples of it, and asks the reference model.
 * @returns why it can't be merge-probed, where it can't; null where its own limits say so already
 * @throws MergeguardError where the live model can't be asked for it
 */
export async function openReferenceTask(
  reference: Reference,
  { variables, nonTrainable, shared, heads, calibration }: ProbedModel,
  { base, most }: { readonly base: NamedTensors; readonly most: number },
): Promise<ReferenceTask | string | null> {
  const obstacle = sampleProblem(reference, calibration.inputs);
  if (obstacle !== null) {
    return reference.calibration === null ? null : `${obstacle}: it can't be merge-probed`;
  }
  const labels = reference.calibration!.labels.subarray(0, most);
  if (labels.length === 0) {
    return "its calibration samples are none: it can't be merge-probed";
  }
  const head = openHead(reference, calibration, heads);
  if (typeof head === 'string') {
    return head;
  }
  const inputs = storedSamples(reference, most, calibration.inputs.dtype);
  const samples = new TaskSamples(inputs, labels, calibration.output);
  const snapshot = new LiveSnapshot(variables, 0);
  const close = () => {
    samples.dispose();
    head.dispose();
  };
  try {
    moveToReference(snapshot, shared, base, reference);
    const [first] = samples.chunks;
    const what = `the model can not be asked for the calibration samples of reference "${reference.name}"`;
    const ask = () =>
      leaveNoTrace(nonTrainable, (watch) =>
        snapshot.within(() => watch(() => head.predict(samples.inputs(first))), head),
      );
    const problem = scoresProblem(shapeOf(what, ask), first.size, labels);
    if (problem !== null) {
      close();
      return `${problem}: it can't be merge-probed`;
    }
    if (reference.head === null && heads.length > 0) {
      return { reference, samples, head, own: null, dispose: close };
    }
    const own = samples.noAnswers();
    for (const chunk of samples.chunks) {
      const answers = askIn(snapshot, { samples, head }, chunk, nonTrainable);
      try {
        take(own, chunk, (await answers.data()) as Float32Array);
      } finally {
        answers.dispose();
      }
    }
    return { reference, samples, head, own, dispose: close };
  } catch (error) {
    close();
    throw error;
  } finally {
    snapshot.dispose();
  }
}

/** The reference's task vector is in the matrices: adapters are taken out. */
function moveToReference(
  snapshot: LiveSnapshot,
  shared: readonly SharedTensor[],
  base: NamedTensors,
  reference: Reference,
): void {
  for (const tensor of shared) {
    snapshot.replace(tensor.variable, referenceWeights(tensor, base, reference));
    withoutAdapter(snapshot, tensor);
  }
}

/** Zeros in the factor that training starts with zeros in. */
export function withoutAdapter(snapshot: LiveSnapshot, { factors }: SharedTensor): void {
  if (factors !== null) {
    snapshot.replace(factors.left.variable, tf.zerosLike(factors.left.variable));
  }
}
