import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach, guardCallback } from '../../../../hooks/tfjs/index.js';
import { rowHashes } from '../../../../hooks/tfjs/training-look/row-hashes.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { AlertEvent } from '../../../../src/guard/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import { chosen } from '../../../backend/chosen.js';
import { type EventLog, eventLog, SmallModel, TRAINED_ON } from '../guarded-loop.js';
import { calibrationOf, type HeldOut, heldOut, PROBED, probedReferences } from '../probed-loop.js';

beforeAll(() => openBackend(chosen));

const config = { ...PROBED, mergeProbe: { enabled: false }, overhead: 0.5 };

let model: SmallModel;
let references: Reference[];
const samples = heldOut(7, 50);
const others = heldOut(8, 64);
beforeEach(async () => {
  model = new SmallModel();
  references = await probedReferences(model);
  return () => model.dispose();
});

function told(log: EventLog): AlertEvent[] {
  return log.of('alert').filter(({ title }) => title === TRAINED_ON);
}

function cross(labels: readonly number[], inputs: tf.Tensor): tf.Scalar {
  const wanted = tf.oneHot(tf.tensor1d([...labels], 'int32'), 3);
  return tf.losses.softmaxCrossEntropy(wanted, model.predict(inputs));
}

/** What is said of a loop with this loss: of 30 steps, or of more until something is said. */
async function trainedOn(
  loss: () => tf.Scalar,
  changes: Partial<AttachOptions> = {},
  mostSteps = 30,
): Promise<AlertEvent[]> {
  const optimizer = tf.train.adam(0.01);
  const guard = await attach(optimizer, {
    weights: model.weights,
    references,
    calibration: calibrationOf(model, samples),
    config,
    ...changes,
  });
  const log = eventLog(guard);
  for (let step = 0; step < mostSteps && (step < 30 || told(log).length === 0); step++) {
    optimizer.minimize(loss, false, model.variables);
    await tf.nextFrame();
  }
  await guard.detach();
  optimizer.dispose();
  expect(log.titles).toEqual([]);
  return told(log);
}

function batchOf({ rows, labels }: HeldOut): { inputs: tf.Tensor2D; labels: number[] } {
  return { inputs: tf.tensor2d([...rows]), labels };
}

const both: HeldOut = {
  rows: [...others.rows, ...samples.rows],
  labels: [...others.labels, ...samples.labels],
};

describe('calibration samples that are trained on', () => {
  it('are told once, with how many', async () => {
    const { inputs, labels } = batchOf(both);
    const alerts = await trainedOn(() => cross(labels, inputs));
    expect(alerts).toMatchObject([
      {
        rule: 'internal',
        level: 'warning',
        state: 'raised',
        evidence: { seen: 50, calibrationSamples: 50, trainingSamples: 114 },
      },
    ]);
    expect(alerts[0].reference).toBeUndefined();
    expect(alerts[0].text).toContain('50 of 50 calibration samples are among the first 114 training samples');
  });

  it.each([
    [
      'made inside the loss',
      () => cross(samples.labels.slice(0, 20), tf.tensor2d(samples.rows.slice(0, 20))),
    ],
    [
      'selected inside the loss, by a slice',
      () => cross(both.labels.slice(64), tf.slice(tf.tensor2d([...both.rows]), 64)),
    ],
    [
      'selected inside the loss, by places',
      () =>
        cross(
          both.labels.slice(60, 70),
          tf.gather(tf.tensor2d([...both.rows]), tf.range(60, 70, 1, 'int32')),
        ),
    ],
  ])('are seen where they are %s', async (_, loss) => {
    expect(await trainedOn(loss)).toHaveLength(1);
  });

  it('of a reference are told too, by its name', async () => {
    const theirs = heldOut(101, 40);
    const { inputs, labels } = batchOf(theirs);
    const alerts = await trainedOn(() => cross(labels, inputs));
    expect(alerts).toMatchObject([{ reference: 'two', evidence: { seen: 40, calibrationSamples: 40 } }]);
  });

  it('come up late in the training', async () => {
    const batches = [batchOf(others), batchOf(samples)];
    let step = 0;
    const loss = () => {
      const { inputs, labels } = batches[step++ < 40 ? 0 : 1];
      return cross(labels, inputs);
    };
    expect(await trainedOn(loss, {}, 5000)).toHaveLength(1);
  });

  it.each([true, false])('are seen in LayersModel.fit (trained on: %s)', async (isTrainedOn) => {
    const layers = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'hidden', inputShape: [6], units: 12, activation: 'tanh' }),
        tf.layers.dense({ name: 'head', units: 3, activation: 'softmax' }),
      ],
    });
    layers.compile({ optimizer: tf.train.adam(0.01), loss: 'sparseCategoricalCrossentropy' });
    const { inputs, labels } = batchOf(isTrainedOn ? both : others);
    let log!: EventLog;
    const callbacks = guardCallback({
      references: [],
      calibration: { inputs: tf.tensor2d([...samples.rows]), labels: samples.labels },
      config,
      onAttached: (guard) => {
        log = eventLog(guard);
      },
    });
    await layers.fit(inputs, tf.tensor1d(labels), { epochs: 4, batchSize: 16, verbose: 0, callbacks });
    expect(told(log)).toHaveLength(isTrainedOn ? 1 : 0);
  });
});

describe('nothing is said', () => {
  it.each([
    ['samples that are held out', () => cross(others.labels, tf.tensor2d([...others.rows]))],
    [
      'the others of a data set that holds them too, by a slice',
      () => cross(others.labels, tf.slice(tf.tensor2d([...both.rows]), 0, 64)),
    ],
    [
      'the others of a data set that holds them too, by places',
      () => cross(others.labels, tf.gather(tf.tensor2d([...both.rows]), tf.range(0, 64, 1, 'int32'))),
    ],
    [
      'a single one that is in the data set twice',
      () => cross([...others.labels, samples.labels[0]], tf.tensor2d([...others.rows, samples.rows[0]])),
    ],
    ['blank samples', () => cross([0, 0, 0], tf.zeros([3, 6]))],
  ])('of %s', async (_, loss) => {
    const blank: HeldOut = { rows: [[0, 0, 0, 0, 0, 0], ...samples.rows], labels: [0, ...samples.labels] };
    expect(await trainedOn(loss, { calibration: calibrationOf(model, blank) })).toEqual([]);
  });

  it('of samples that are no more one than another: a few values, many times over', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => [i % 2, (i >> 1) % 2, 0, 1, 1, 0]);
    const labels = rows.map(([first]) => first);
    const calibration = calibrationOf(model, { rows, labels });
    expect(await trainedOn(() => cross(labels, tf.tensor2d(rows)), { calibration })).toEqual([]);
  });

  it('with gradients that a loop computes without the optimiser', async () => {
    const optimizer = tf.train.sgd(0.01);
    const guard = await attach(optimizer, {
      weights: model.weights,
      references: [],
      calibration: calibrationOf(model, samples),
      config,
    });
    const log = eventLog(guard);
    const { inputs, labels } = batchOf(samples);
    const { grads, value } = tf.variableGrads(() => cross(labels, inputs), model.variables);
    optimizer.applyGradients(grads);
    tf.dispose([value, grads]);
    await guard.detach();
    expect(told(log)).toEqual([]);
  });
});

describe('looking', () => {
  it('changes no weight, bit by bit, and keeps no tensor', async () => {
    const run = async (isGuarded: boolean) => {
      const other = new SmallModel();
      const optimizer = tf.train.adam(0.01);
      const guard = isGuarded
        ? await attach(optimizer, {
            weights: other.weights,
            references: [],
            calibration: other.calibration,
            config: { ...config, selfProbe: { enabled: false }, functional: { samples: 10 } },
          })
        : null;
      const counts: number[] = [];
      for (let step = 0; step < 30; step++) {
        optimizer.minimize(other.loss, false, other.variables);
        await tf.nextFrame();
        counts.push(tf.memory().numTensors);
      }
      await guard?.detach();
      return { values: other.values(), sizes: new Set(counts.slice(2)).size };
    };
    const guarded = await run(true);
    expect(guarded).toEqual(await run(false));
    expect(guarded.sizes).toBe(1);
  });
});

describe('hashes of rows', () => {
  it('are the same for the same values, others for others, and null for blank ones', () => {
    const row = fc.array(fc.float({ noNaN: true }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(fc.uniqueArray(row, { minLength: 1, maxLength: 20, selector: String }), (rows) => {
        const hashes = rowHashes(rows.flat(), rows.length);
        expect(hashes).toEqual(rows.map((one) => rowHashes(Float32Array.from(one), 1)[0]));
        const sound = rows.filter(
          (one) => new Set(one.map((value) => (Object.is(value, -0) ? '-0' : value))).size > 1,
        );
        expect(new Set(hashes.filter((hash) => hash !== null)).size).toBe(
          new Set(
            sound.map((one) => JSON.stringify(one.map((value) => (Object.is(value, -0) ? '-0' : value)))),
          ).size,
        );
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('of whole numbers are those of the same numbers as floats', () => {
    const values = [1, 2, 3, 4, 5, 6];
    expect(rowHashes(Int32Array.from(values), 2)).toEqual(rowHashes(Float32Array.from(values), 2));
  });
});
