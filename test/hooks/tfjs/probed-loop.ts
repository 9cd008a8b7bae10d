import * as tf from '@tensorflow/tfjs';
import { type AttachOptions, sharedWeights } from '../../../hooks/tfjs/index.js';
import type { GuardConfigInput, ProbeEvent } from '../../../src/guard/index.js';
import { mergeMethod } from '../../../src/merging/index.js';
import { makeReference, type Reference } from '../../../src/reference/index.js';
import { type NamedTensors, permute, Random, taskVector } from '../../../src/tensors/index.js';
import { EVERY_STEP, type SmallModel } from './guarded-loop.js';
import { answersOf, type Weights, weightsOf } from './small-model-by-hand.js';

/** Merges whenever there is time for a piece, and nothing else that takes its own. */
export const PROBED: GuardConfigInput = {
  ...EVERY_STEP,
  functional: { enabled: false },
  mergeProbe: { every: 1 },
};

/** Samples of the small model's kind that it is not trained on. */
export interface HeldOut {
  readonly rows: readonly number[][];
  readonly labels: number[];
}

export function heldOut(seed: number, count: number): HeldOut {
  const values = new Random('held out', seed).normals(count * 6);
  const rows = Array.from({ length: count }, (_, i) => [...values.subarray(6 * i, 6 * i + 6)]);
  return { rows, labels: rows.map(([a, b]) => (a > 0.5 ? 2 : b > 0 ? 1 : 0)) };
}

/** A calibration batch of samples that are not trained on; the caller's to dispose. */
export function calibrationOf(model: SmallModel, { rows, labels }: HeldOut) {
  return { inputs: tf.tensor2d([...rows]), labels, predict: model.predict };
}

/**
 * References with samples and a head of their own, [classes, 12] or where that is null none, from the weights where they are now.
 * Their task is the small model's with other samples: they know some of it.
 */
export async function probedReferences(
  model: SmallModel,
  { names = ['one', 'two'], samples = 40, classes = 3 as number | null } = {},
): Promise<Reference[]> {
  const base = await sharedWeights(model.weights);
  return names.map((name, r) => {
    const random = new Random('probed', name);
    const moved = new Map(
      [...base].map(([key, { shape, data }]) => [
        key,
        { shape, data: data.map((value) => value + 0.2 * random.normal()) },
      ]),
    );
    const { rows, labels } = heldOut(100 + r, samples);
    const head = classes === null ? null : { shape: [classes, 12], data: random.normals(classes * 12, 0.4) };
    return makeReference({
      name,
      base,
      model: moved,
      head: head && new Map([['head.weight', head]]),
      calibration: {
        images: { shape: [samples, 6], data: Float32Array.from(rows.flat()) },
        labels: Int32Array.from(labels),
      },
    });
  });
}

/** With the reference's head given to it. */
export function predictWith(model: SmallModel): NonNullable<AttachOptions['calibration']>['predictWith'] {
  return (inputs, head) =>
    tf.matMul(model.activation(inputs) as tf.Tensor2D, head['head.weight'] as tf.Tensor2D);
}

/** What a probe must have found: the models merged by the library's own offline merge, and asked on the host in float64. */
export function probedByHand(
  live: Weights,
  base: Weights,
  reference: Reference,
  method: string,
  samples: { readonly live: HeldOut; readonly reference: HeldOut },
  coefficient = 1,
) {
  const head = reference.head?.get('head.weight');
  const ownHead = head ? transposed(head.data, 12, head.shape[0]) : live.head;
  const tau = mergeMethod(method).merge([tauOf(live, base), reference.tau], canonical(base));
  const merged = moved(base, tau, coefficient);
  const ask = (weights: Weights, own: Weights['head'], { rows, labels }: HeldOut) =>
    answersOf({ ...weights, head: own }, rows, labels);
  return {
    live: { merged: ask(merged, live.head, samples.live), own: ask(live, live.head, samples.live) },
    reference: {
      merged: ask(merged, ownHead, samples.reference),
      own: ask(moved(base, reference.tau), ownHead, samples.reference),
    },
  };
}

export { weightsOf };

function transposed(data: Float32Array, rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (__, j) => data[j * rows + i]),
  );
}

function canonical({ hidden, bias }: Weights): NamedTensors {
  return new Map([
    ['hidden.weight', { shape: [12, 6], data: permute(Float32Array.from(hidden.flat()), [6, 12], [1, 0]) }],
    ['hidden.bias', { shape: [12], data: Float32Array.from(bias) }],
  ]);
}

function tauOf(live: Weights, base: Weights): NamedTensors {
  return taskVector(canonical(base), canonical(live));
}

function moved(base: Weights, tau: NamedTensors, coefficient = 1): Weights {
  const [kernel, bias] = [tau.get('hidden.weight')!.data, tau.get('hidden.bias')!.data];
  return {
    head: base.head,
    hidden: base.hidden.map((row, i) => row.map((value, j) => value + coefficient * kernel[j * 6 + i])),
    bias: base.bias.map((value, j) => value + coefficient * bias[j]),
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The event's numbers, from what was found by hand. */
export function numbersByHand(by: ReturnType<typeof probedByHand>) {
  const task = ({ merged, own }: (typeof by)['live']) => ({
    accuracy: mean(merged.correct),
    loss: mean(merged.losses),
    ownAccuracy: mean(own.correct),
    ownLoss: mean(own.losses),
    samples: merged.correct.length,
  });
  const tasks = { live: task(by.live), reference: task(by.reference) };
  const ratio = ({ accuracy, ownAccuracy }: typeof tasks.live) => accuracy / ownAccuracy;
  return {
    tasks,
    accuracy: (tasks.live.accuracy + tasks.reference.accuracy) / 2,
    loss: (tasks.live.loss + tasks.reference.loss) / 2,
    normalised: (ratio(tasks.live) + ratio(tasks.reference)) / 2,
    samples: tasks.live.samples + tasks.reference.samples,
  };
}

/** The last probe of each reference and method, by `method reference`. */
export function lastProbes(probes: readonly ProbeEvent[]): Map<string, ProbeEvent> {
  return new Map(probes.map((probe) => [`${probe.method} ${probe.reference}`, probe]));
}
