import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { filter, firstValueFrom } from 'rxjs';
import { type Attached, type AttachOptions, sharedWeights } from '../../../hooks/tfjs/index.js';
import {
  createGuard,
  type EventName,
  type Guard,
  type GuardConfigInput,
  type GuardEvent,
  type Observation,
  type RunSetup,
  resolveConfig,
} from '../../../src/guard/index.js';
import { makeReference, type Reference } from '../../../src/reference/index.js';
import { elementCount, Random } from '../../../src/tensors/index.js';
import { RECIPE } from './random-models.js';

/** Everything a guard has said, in order. */
export class EventLog {
  readonly events: GuardEvent[] = [];

  of<Name extends EventName>(name: Name): Extract<GuardEvent, { event: Name }>[] {
    return this.events.filter((event): event is Extract<GuardEvent, { event: Name }> => event.event === name);
  }

  /** Of alerts, but for one: most models here are trained on their calibration samples, which is not what those tests are about. */
  get titles(): string[] {
    return this.of('alert')
      .map(({ title }) => title)
      .filter((title) => title !== TRAINED_ON);
  }
}

/** Title of the alert that calibration samples are trained on. */
export const TRAINED_ON = 'Calibration samples are trained on';

export function eventLog(guard: Attached): EventLog {
  const log = new EventLog();
  guard.events.subscribe((event) => log.events.push(event));
  return log;
}

/** Resolves with the next event of that name (a remembered one counts). */
export async function nextEvent<Name extends EventName>(guard: Attached, name: Name) {
  return firstValueFrom(guard.events.pipe(filter((event) => event.event === name)));
}

/** A small classifier by hand: [6] -> 12 -> 3, and data that it can learn. */
export class SmallModel {
  readonly hidden: tf.Variable;
  readonly bias: tf.Variable;
  readonly head: tf.Variable;
  readonly inputs: tf.Tensor2D;
  readonly labels: Int32Array;
  readonly #oneHot: tf.Tensor2D;

  constructor(seed = 1) {
    const random = new Random('small', seed);
    this.hidden = tf.variable(tf.tensor2d(random.normals(72, 0.4), [6, 12]));
    this.bias = tf.variable(tf.tensor1d(random.normals(12, 0.1)));
    this.head = tf.variable(tf.tensor2d(random.normals(36, 0.3), [12, 3]));
    const values = random.normals(32 * 6);
    this.inputs = tf.tensor2d(values, [32, 6]);
    this.labels = Int32Array.from({ length: 32 }, (_, i) =>
      values[6 * i] > 0.5 ? 2 : values[6 * i + 1] > 0 ? 1 : 0,
    );
    this.#oneHot = tf.oneHot(tf.tensor1d(this.labels, 'int32'), 3) as tf.Tensor2D;
  }

  get weights(): Record<string, tf.Variable> {
    return { 'hidden/kernel': this.hidden, 'hidden/bias': this.bias, 'head/kernel': this.head };
  }

  get variables(): tf.Variable[] {
    return [this.hidden, this.bias, this.head];
  }

  /** hidden activations [N, 12] */
  readonly activation = (inputs: tf.Tensor): tf.Tensor =>
    tf.tanh(tf.add(tf.matMul(inputs as tf.Tensor2D, this.hidden as tf.Tensor2D), this.bias));

  readonly predict = (inputs: tf.Tensor): tf.Tensor =>
    tf.matMul(this.activation(inputs) as tf.Tensor2D, this.head as tf.Tensor2D);

  readonly loss = (): tf.Scalar => tf.losses.softmaxCrossEntropy(this.#oneHot, this.predict(this.inputs));

  get calibration() {
    return {
      inputs: this.inputs,
      labels: this.labels,
      predict: this.predict,
      activation: this.activation,
    };
  }

  /** `values` for every backend: on webgpu nobody can wait for the device. */
  read(): Promise<number[][]> {
    return Promise.all(this.variables.map(async (variable) => [...(await variable.data())]));
  }

  values(): number[][] {
    return this.variables.map((variable) => [...variable.dataSync()]);
  }

  dispose(): void {
    tf.dispose([...this.variables, this.inputs, this.#oneHot]);
  }
}

/**
 * References with task vectors and gradients of normals, from the weights where they are now. `sample`: shape of one
 * input, where they are to have calibration samples and input gradients, 12 and 8 of them.
 */
export async function referencesFor(
  weights: AttachOptions['weights'],
  names: readonly string[] = ['one', 'two'],
  heads?: readonly string[],
  sample: readonly number[] | null = null,
): Promise<Reference[]> {
  const base = await sharedWeights(weights, heads);
  return names.map((name) => {
    const random = new Random('reference', name);
    const noise = (deviation: number, origin: number) =>
      new Map(
        [...base].map(([key, { shape, data }]) => [
          key,
          { shape, data: data.map((value) => origin * value + deviation * random.normal()) },
        ]),
      );
    const samples = (count: number, shape: readonly number[]) => ({
      shape: [count, ...shape],
      data: random.normals(count * elementCount(shape)),
    });
    return makeReference({
      name,
      base,
      model: noise(0.1, 1),
      gradient: noise(0.01, 0),
      gradientRecipe: RECIPE,
      ...(sample && {
        calibration: { images: samples(12, sample), labels: new Int32Array(12) },
        inputGradient: samples(8, sample),
      }),
    });
  });
}

/** Everything but the slow lane and merges on every step, nothing left to chance, no scores. */
export const EVERY_STEP: GuardConfigInput = {
  fingerprint: null,
  tap: { every: 1, foldStride: 1 },
  selfProbe: { every: 1 },
  functional: { every: 1 },
  // They start a thread and take their time: for the tests that are about them.
  slow: { enabled: false },
  mergeProbe: { enabled: false },
  // The references' gradients are drawn, and mean nothing.
  alerts: { conflict: { enabled: false } },
};

/** Optimiser steps on the model, with a turn of the event loop after each for the guard. */
export async function train(
  model: SmallModel,
  optimizer: tf.Optimizer,
  steps: number,
  atStep: (step: number) => void = () => {},
): Promise<void> {
  for (let step = 0; step < steps; step++) {
    atStep(step);
    optimizer.minimize(model.loss, false, model.variables);
    await turn();
  }
}

/** A turn of the event loop in which the device has done what it was handed, and what waits for that is read. */
export async function turn(): Promise<void> {
  if (tf.getBackend() === 'webgpu') {
    await (tf.backend() as WebGPUBackend).device.queue.onSubmittedWorkDone();
  }
  await tf.nextFrame();
}

/** A guard in this process whose observations can be looked at. */
export function recordingGuard(): {
  readonly observations: Observation[];
  readonly setups: RunSetup[];
  guard(setup: RunSetup, options: GuardConfigInput): Guard;
} {
  const observations: Observation[] = [];
  const setups: RunSetup[] = [];
  return {
    observations,
    setups,
    guard(setup, options) {
      setups.push(setup);
      const inner = createGuard(setup, resolveConfig(options), null);
      return {
        events: inner.events,
        observe(observation) {
          observations.push(observation);
          inner.observe(observation);
        },
        publish: (event) => inner.publish(event),
        close: (...how) => inner.close(...how),
      };
    },
  };
}
