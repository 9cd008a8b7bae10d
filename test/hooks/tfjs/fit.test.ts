import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Attached, guardCallback } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import type { GuardConfigInput } from '../../../src/guard/index.js';
import { MergeguardError, Random } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, EventLog, referencesFor } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

const random = new Random('fit');
const values = random.normals(24 * 5);
const classes = Int32Array.from({ length: 24 }, (_, i) => (values[5 * i] > 0 ? 1 : 0));

interface Shape {
  readonly batchNorm?: boolean;
}

function build({ batchNorm = false }: Shape = {}): tf.LayersModel {
  const initial = (seed: number) => tf.initializers.glorotUniform({ seed });
  const layers: tf.layers.Layer[] = [
    tf.layers.dense({ name: 'encoder', inputShape: [5], units: 7, kernelInitializer: initial(1) }),
    ...(batchNorm ? [tf.layers.batchNormalization({ name: 'norm' })] : []),
    tf.layers.reLU({ name: 'relu' }),
    tf.layers.dense({ name: 'head', units: 2, activation: 'softmax', kernelInitializer: initial(2) }),
  ];
  const model = tf.sequential({ layers });
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

const inputs = () => tf.tensor2d(values, [24, 5]);
const labels = () => tf.oneHot(tf.tensor1d(classes, 'int32'), 2);

interface Run extends Shape {
  /** null: without a guard */
  readonly config?: GuardConfigInput | null;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly useDataset?: boolean;
}

/** A training, guarded or not: what it logged batch by batch, where it ended, and what the guard said. */
async function trainedBy({ config = EVERY_STEP, epochs = 3, batchSize = 8, useDataset, batchNorm }: Run) {
  const model = build({ batchNorm });
  const references = await referencesFor(model, undefined, undefined, [5]);
  const [x, y] = [inputs(), labels()];
  const log = new EventLog();
  const batches: tf.Logs[] = [];
  const tensors: number[] = [];
  let guard: Attached | null = null;
  const watching = new tf.CustomCallback({
    onBatchEnd: async (_, logs) => {
      const { loss, acc } = logs as tf.Logs;
      batches.push({ loss, acc });
      tensors.push(tf.memory().numTensors);
    },
  });
  const ours =
    config === null
      ? []
      : [
          guardCallback({
            references,
            config,
            calibration: { inputs: x, labels: y, layer: 'relu' },
            onAttached: (attached) => {
              guard = attached;
              attached.events.subscribe((event) => log.events.push(event));
            },
          }),
        ];
  const callbacks = [...ours, watching];
  const before = tf.memory().numTensors;
  if (useDataset) {
    const dataset = tf.data
      .array(Array.from({ length: 24 }, (_, i) => i))
      .map((i) => ({ xs: x.slice(i as number, 1).squeeze([0]), ys: y.slice(i as number, 1).squeeze([0]) }))
      .batch(batchSize);
    await model.fitDataset(dataset as tf.data.Dataset<tf.TensorContainer>, { epochs, verbose: 0, callbacks });
  } else {
    await model.fit(x, y, { epochs, batchSize, verbose: 0, shuffle: false, callbacks });
  }
  const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
  const after = tf.memory().numTensors;
  const wrapped = Object.hasOwn(model.optimizer, 'applyGradients');
  return { model, log, batches, tensors, weights, wrapped, guard: guard as Attached | null, before, after };
}

describe('LayersModel.fit', () => {
  it('is watched from the first batch to the last', async () => {
    const { log, guard, wrapped, model } = await trainedBy({
      epochs: 4,
      config: { ...EVERY_STEP, slow: { every: 1 } },
    });
    expect(guard!.step).toBe(12);
    expect(log.events[0]).toMatchObject({ event: 'hello' });
    expect(log.of('hello')[0].coverage).toMatchObject({
      matched: 2,
      excluded: [
        { name: 'head.weight', reason: 'task head' },
        { name: 'head.bias', reason: 'task head' },
      ],
    });
    expect(
      log
        .of('progress')
        .filter(({ phase }) => phase === 'train')
        .map(({ done, total }) => `${done}/${total}`),
    ).toEqual(['1/4', '2/4', '3/4', '4/4']);
    expect(log.of('progress')[3].loss).toBeLessThan(log.of('progress')[0].loss!);
    const last = log.of('tick').at(-1)!;
    expect(last.step).toBe(12);
    expect(last.pairs.every(({ reasons }) => Object.keys(reasons).length === 0)).toBe(true);
    expect(log.of('end')).toMatchObject([{ status: 'done' }]);
    expect(log.titles).toEqual([]);
    expect(wrapped).toBe(false);

    // The softmax is seen in the model: its outputs are taken as probabilities.
    const [loss, accuracy] = model.evaluate(inputs(), labels()) as tf.Scalar[];
    expect(last.selfProbe?.loss).toBeCloseTo(loss.dataSync()[0], 5);
    expect(last.selfProbe?.accuracy).toBeCloseTo(accuracy.dataSync()[0], 6);
  });

  it.each([false, true])(
    'comes to the same weights and logs, bit by bit, guarded or not (fitDataset: %s)',
    async (useDataset) => {
      const guarded = await trainedBy({ useDataset, batchNorm: true });
      const plain = await trainedBy({ useDataset, batchNorm: true, config: null });
      expect(guarded.weights).toEqual(plain.weights);
      expect(guarded.batches).toEqual(plain.batches);
      expect(guarded.log.of('tick').at(-1)!.step).toBe(9);
      expect(guarded.log.of('tick').at(-1)!.selfProbe).not.toBeNull();
    },
  );

  it('tensors do not grow by the batch, and are given back', async () => {
    for (const strength of [0, 1]) {
      const config = {
        ...EVERY_STEP,
        steering: { scale_jitter: { strength, form: 'added' }, subspace: { strength: 0.1 * strength } },
      };
      const guarded = await trainedBy({ config, epochs: 8, batchNorm: true });
      const plain = await trainedBy({ config: null, epochs: 8, batchNorm: true });
      // After the first batch, on which the optimiser makes its slots.
      expect(new Set(guarded.tensors.slice(1)).size).toBe(1);
      expect(guarded.after - guarded.before).toBe(plain.after - plain.before);
    }
  });
});

describe('fit with scale_jitter, added, and BatchNorm', () => {
  const config = {
    ...EVERY_STEP,
    steering: { scale_jitter: { strength: 1, form: 'added', chain: true, low: 0.2, high: 0.7 } },
  };

  it('logs the plain evaluation, and updates the moving statistics once', async () => {
    // One batch: the plain evaluation is that of the same initial weights with and without terms.
    const steered = await trainedBy({ config, epochs: 1, batchSize: 24, batchNorm: true });
    const plain = await trainedBy({ config: null, epochs: 1, batchSize: 24, batchNorm: true });
    expect(steered.batches).toEqual(plain.batches);
    const names = steered.model.weights.map(({ originalName }) => originalName);
    names.forEach((name, i) => {
      if (name.includes('moving')) {
        expect(steered.weights[i], name).toEqual(plain.weights[i]);
      }
    });
    expect(names.filter((name) => name.includes('moving'))).toHaveLength(2);
    expect(steered.log.of('tick').at(-1)!.cost.termMs).toBeGreaterThan(0);
  });

  it('steers: other weights in the end', async () => {
    const steered = await trainedBy({ config });
    const plain = await trainedBy({ config: null });
    expect(steered.weights).not.toEqual(plain.weights);
    expect(steered.log.titles).toEqual([]);
    expect(steered.batches.every(({ acc }) => acc >= 0 && acc <= 1)).toBe(true);
  });
});

describe('wrong input', () => {
  it('ends fit before the first batch, and the optimiser is as it was', async () => {
    const model = build();
    const references = await referencesFor(model, undefined, undefined, [5]);
    await model.fit(inputs(), labels(), { epochs: 1, verbose: 0 });
    const callbacks = guardCallback({ references, config: EVERY_STEP });
    const error = await model.fit(inputs(), labels(), { epochs: 1, verbose: 0, callbacks }).catch((e) => e);
    expect(error).toBeInstanceOf(MergeguardError);
    expect(error.message).toContain('was made from another base');
    expect(Object.hasOwn(model.optimizer, 'applyGradients')).toBe(false);
    await model.fit(inputs(), labels(), { epochs: 1, verbose: 0 });
  });
});
