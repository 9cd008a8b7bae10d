import * as tf from '@tensorflow/tfjs';
import { Subject } from 'rxjs';
import { type Attached, type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { createGuard, type GuardEvent, resolveConfig, type SteerEvent } from '../../../../src/guard/index.js';
import { Random } from '../../../../src/tensors/index.js';
import { EVERY_STEP, type EventLog, eventLog, type SmallModel } from '../guarded-loop.js';

export const RATE = 0.1;

export type Terms = Record<string, Record<string, unknown>>;

/** For a model that is steered by its configuration. */
export function steeredBy(steering: Terms, weights: AttachOptions['weights'], seed = 11): AttachOptions {
  return { weights, references: [], config: { ...EVERY_STEP, seed, steering } as AttachOptions['config'] };
}

/** A run whose guard steers as it is told. */
export interface Ordered {
  readonly guard: Attached;
  readonly log: EventLog;
  order(terms: Terms, how?: { lifetimeSteps?: number; fromStep?: number }): void;
}

export async function ordered(optimizer: tf.Optimizer, options: AttachOptions): Promise<Ordered> {
  const orders = new Subject<GuardEvent>();
  const guard = await attach(optimizer, {
    ...options,
    guard: (setup, config) => {
      const inner = createGuard(setup, resolveConfig(config), null);
      inner.events.subscribe(orders);
      return {
        events: orders,
        observe: (observation) => inner.observe(observation),
        publish: (event) => inner.publish(event),
        close: (...how) => inner.close(...how),
      };
    },
  });
  return {
    guard,
    log: eventLog(guard),
    order(terms, { lifetimeSteps, fromStep } = {}) {
      const event = {
        event: 'steer',
        run: guard.run,
        time: '2026-01-02T03:04:05.000Z',
        step: guard.step,
        terms: Object.entries(terms).map(([term, { strength, ...parameters }]) => ({
          term,
          strength: strength as number,
          parameters,
        })),
        lifetimeSteps: lifetimeSteps ?? null,
        ...(fromStep !== undefined && { fromStep }),
        reason: 'test',
      };
      orders.next(event as SteerEvent);
    },
  };
}

/** One step by `optimizer.minimize`, and a turn of the event loop for the guard. */
export async function minimize(
  optimizer: tf.Optimizer,
  model: SmallModel,
  loss: () => tf.Scalar = model.loss,
): Promise<void> {
  optimizer.minimize(loss, false, model.variables);
  await tf.nextFrame();
}

/** One step by a loop that computes its gradients itself. */
export async function ownStep(optimizer: tf.Optimizer, model: SmallModel, guard: Attached): Promise<void> {
  const { value, grads } = guard.steered(() => tf.variableGrads(model.loss, model.variables));
  optimizer.applyGradients(grads);
  tf.dispose([value, grads]);
  await tf.nextFrame();
}

/** Gradients of the loss with the hidden layer at base + scale (live - base), in the order of the model's variables. */
export function gradientsAt(model: SmallModel, base: readonly number[][], scale: number): number[][] {
  const live = model.values();
  const moved = live.map((values, v) =>
    v < 2 ? values.map((value, i) => base[v][i] + scale * (value - base[v][i])) : values,
  );
  assign(model, moved);
  const { value, grads } = tf.variableGrads(model.loss, model.variables);
  const gradients = model.variables.map(({ name }) => [...grads[name].dataSync()]);
  tf.dispose([value, grads]);
  assign(model, live);
  return gradients;
}

/** One step of plain gradient descent. */
export function descend(model: SmallModel, gradients: readonly number[][]): void {
  assign(
    model,
    model.values().map((values, v) => values.map((value, i) => value - RATE * gradients[v][i])),
  );
}

function assign(model: SmallModel, values: readonly number[][]): void {
  model.variables.forEach((variable, v) => {
    const next = tf.tensor([...values[v]], variable.shape);
    variable.assign(next);
    next.dispose();
  });
}

/** A classifier with everything in it that makes two evaluations differ: dropout and BatchNorm. */
export function dropoutModel(): tf.LayersModel {
  const initial = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ name: 'encoder', inputShape: [5], units: 12, kernelInitializer: initial(1) }),
      tf.layers.batchNormalization({ name: 'norm' }),
      tf.layers.reLU({ name: 'relu' }),
      tf.layers.dropout({ name: 'dropout', rate: 0.4 }),
      tf.layers.dense({ name: 'head', units: 2, activation: 'softmax', kernelInitializer: initial(2) }),
    ],
  });
  model.compile({ optimizer: tf.train.sgd(0.2), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

/** 24 samples that it can learn, the caller's to dispose. */
export function samples(): { readonly inputs: tf.Tensor2D; readonly labels: tf.Tensor2D } {
  const values = new Random('dropout').normals(24 * 5);
  const classes = Int32Array.from({ length: 24 }, (_, i) => (values[5 * i] > 0 ? 1 : 0));
  return {
    inputs: tf.tensor2d(values, [24, 5]),
    labels: tf.tidy(() => tf.oneHot(tf.tensor1d(classes, 'int32'), 2) as tf.Tensor2D),
  };
}

/** Runs `body` with Math.random seeded: dropout draws the same masks again. */
export async function withRandom<Result>(seed: number, body: () => Promise<Result>): Promise<Result> {
  const original = Math.random;
  const random = new Random('Math.random', seed);
  Math.random = () => random.uniform();
  try {
    return await body();
  } finally {
    Math.random = original;
  }
}
