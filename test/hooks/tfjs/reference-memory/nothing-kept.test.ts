import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ActivationPart } from '../../../../hooks/tfjs/activation-part.js';
import { CalibrationGradientPart } from '../../../../hooks/tfjs/calibration-gradient-part.js';
import type { FunctionalPart } from '../../../../hooks/tfjs/functional-part.js';
import { layoutOf } from '../../../../hooks/tfjs/index.js';
import { InputGradientPart } from '../../../../hooks/tfjs/input-gradient-part.js';
import { isWatched, valuesOf } from '../../../../hooks/tfjs/layout.js';
import { openCalibration } from '../../../../hooks/tfjs/open-calibration.js';
import { SelfProber } from '../../../../hooks/tfjs/self-probe.js';
import { openBackend } from '../../../../src/backend/index.js';
import { referencesFor, SmallModel } from '../guarded-loop.js';
import { deviceStatistics } from '../random-models.js';
import { FullDevice } from './full-device.js';

// Its clones share memory, as on a GPU; those of wasm are copies, which tfjs itself loses where the next one fails.
beforeAll(() => openBackend('cpu'));

let model: SmallModel;
let device: FullDevice;
beforeEach(() => {
  model = new SmallModel();
  device = new FullDevice();
  return () => {
    device.restore();
    model.dispose();
  };
});

/** Runs `body` with its first allocation failing, then with its second one, and so on until it succeeds; gives how many there are. */
async function atEach(body: () => unknown, after: () => void): Promise<number> {
  for (let n = 0; ; n++) {
    device.failAt(n);
    let failure: unknown = null;
    try {
      await body();
    } catch (error) {
      failure = error;
    }
    device.fails = () => false;
    if (failure === null) {
      return n;
    }
    expect(String(failure)).toContain('OOM');
    after();
  }
}

/** Of the small model, with two references. */
async function parts() {
  const references = await referencesFor(model.weights, ['one', 'two'], undefined, [6]);
  const { shared, heads: _ } = layoutOf(model.weights);
  const watched = shared.filter(isWatched);
  const calibration = (await openCalibration(model.calibration, model.weights, 16))!;
  return { references, shared, watched, calibration, base: await valuesOf(shared) };
}

describe('whichever allocation fails, nothing is kept', () => {
  it.each([
    ['on the device', Number.POSITIVE_INFINITY],
    ['taking turns', 0],
  ])(
    'of a tick, with references %s; the next one has the numbers of one that nothing happened before',
    async (_, referenceBytes) => {
      const { references, watched } = await parts();
      const statistics = deviceStatistics(watched, references, { referenceBytes });
      const untroubled = deviceStatistics(watched, references);
      model.hidden.assign(tf.tidy(() => tf.add(model.hidden, tf.mul(model.hidden, model.hidden))));
      const nothing = tf.zeros([1]) as tf.Tensor1D;
      const take = (of: typeof statistics) => {
        const packed = of.measure(nothing, true);
        const values = packed.dataSync() as Float32Array;
        packed.dispose();
        const { pair, live } = of.read(values, 1).statistics;
        return [...pair, ...live];
      };
      for (let tick = 0; tick < 3; tick++) {
        take(statistics);
      }
      const { numTensors, numBytes } = tf.memory();
      const allocations = await atEach(
        () => take(statistics),
        () => {
          // What has been replaced of the tracked subspaces is given back by the next tick.
          take(statistics);
          expect(tf.memory()).toMatchObject({ numTensors, numBytes });
        },
      );
      expect(allocations).toBeGreaterThan(20);
      for (let tick = 0; tick < 60; tick++) {
        take(untroubled);
      }
      const rounded = (values: number[]) => values.map((value) => Number(value.toFixed(3)));
      expect(rounded(take(statistics))).toEqual(rounded(take(untroubled)));
      statistics.dispose();
      untroubled.dispose();
      nothing.dispose();
    },
  );

  it('of bringing references to the device', async () => {
    const { references, watched } = await parts();
    const statistics = deviceStatistics(watched, references);
    const { numTensors } = tf.memory();
    const nothing = tf.zeros([1]) as tf.Tensor1D;
    const loads = await atEach(
      () => {
        statistics.store.take(false);
      },
      () => {
        statistics.store.retreat();
        expect(tf.memory().numTensors).toBe(numTensors + 1);
      },
    );
    // Of two, the first one's task vector, then, of one, its gradient; then none is to be brought.
    expect(loads).toBe(2);
    statistics.dispose();
    nothing.dispose();
  });

  it('of a fold', async () => {
    const { references, watched } = await parts();
    const { gradients, ...statistics } = deviceStatistics(watched, references);
    const grads = { [model.hidden.name]: tf.ones([6, 12]), [model.bias.name]: tf.ones([12]) };
    gradients!.fold(grads, 1);
    const { numTensors, numBytes } = tf.memory();
    const allocations = await atEach(
      () => gradients!.fold(grads, 2),
      () => expect(tf.memory()).toMatchObject({ numTensors, numBytes }),
    );
    expect(allocations).toBeGreaterThan(5);
    const counters = gradients!.counters();
    expect([...counters.dataSync()].map((value) => Number(value.toFixed(4)))).toEqual([0.81, 0, 2]);
    expect(statistics).toBeDefined();
  });

  it('of a self-probe', async () => {
    const { watched, calibration } = await parts();
    const bases = watched.map(({ variable }) => variable.clone());
    const tensors = watched.map(({ name, variable, permutation }, t) => ({
      name,
      variable,
      transposed: permutation !== null,
      isFactor: false,
      base: () => bases[t],
    }));
    const prober = new SelfProber(calibration, tensors, { scale: 0.5, samples: 16 });
    const weights = model.values();
    const { numTensors, numBytes } = tf.memory();
    const allocations = await atEach(
      () => prober.measure(),
      () => {
        expect(tf.memory()).toMatchObject({ numTensors, numBytes });
        expect(model.values()).toEqual(weights);
      },
    );
    expect(allocations).toBeGreaterThan(5);
  });

  it.each([
    ['activations', 'activation'],
    ['input gradients', 'input'],
    ['gradients on calibration samples', 'calibration'],
  ])('of %s', async (_, kind) => {
    const { references, shared, watched, calibration, base } = await parts();
    const samples = { samples: 8, nonTrainable: [] };
    const average = deviceStatistics(watched, references, { gradientDecay: 0 }).gradients!;
    const variables = watched.map(({ variable }) => variable);
    const made: Record<string, () => FunctionalPart | Promise<FunctionalPart>> = {
      activation: () => ActivationPart.open(calibration, references, { ...samples, shared, base }),
      input: () => new InputGradientPart(calibration, references, samples),
      calibration: () => new CalibrationGradientPart(calibration, average, { ...samples, variables }),
    };
    const part = await made[kind]();
    await part.begin(0, 1);
    const { numTensors, numBytes } = tf.memory();
    const allocations = await atEach(
      () => part.begin(0, 2),
      () => expect(tf.memory()).toMatchObject({ numTensors, numBytes }),
    );
    expect(allocations).toBeGreaterThan(3);
  });
});
