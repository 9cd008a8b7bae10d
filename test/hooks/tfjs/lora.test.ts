import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import type { GuardConfigInput } from '../../../src/guard/index.js';
import {
  computePairMetrics,
  hostStatistics,
  METRICS,
  type NumericTensors,
  type PairMetrics,
  type PairStatistics,
} from '../../../src/metrics/index.js';
import { type Reference, tauOf } from '../../../src/reference/index.js';
import { chosen } from '../../backend/chosen.js';
import { bitsOf } from '../../steering/model.js';
import { EVERY_STEP, recordingGuard } from './guarded-loop.js';
import { K, LoraModel, referencesOf, SCALE } from './lora-model.js';

const config: GuardConfigInput = {
  ...EVERY_STEP,
  tap: { ...EVERY_STEP.tap, k: K },
  slow: { enabled: true },
  functional: { samples: 16, every: 1 },
};

let model: LoraModel;

/** Steps, then the last tick, with all that the slow lane has. */
async function measured(
  options: Pick<AttachOptions, 'weights' | 'references'> & Partial<AttachOptions>,
  step: (optimizer: tf.Optimizer, count: number) => void,
  steps: number,
): Promise<PairStatistics> {
  const { observations, guard } = recordingGuard();
  const optimizer = tf.train.sgd(0.1);
  const attached = await attach(optimizer, { config, guard, ...options });
  for (let count = 0; count < steps; count++) {
    step(optimizer, count);
    await tf.nextFrame();
  }
  await attached.detach();
  optimizer.dispose();
  return observations.at(-1)!.statistics;
}

function expectSame(found: PairMetrics, expected: PairMetrics, tolerance: number, which: readonly string[]) {
  for (const name of which) {
    const [value, wanted] = [found[name].value, expected[name].value];
    if (wanted === null) {
      expect(value, `${name}: ${JSON.stringify(expected[name])}`).toBeNull();
    } else {
      expect(value, `${name}: ${JSON.stringify(found[name])}`).not.toBeNull();
      expect(Math.abs(value! - wanted), `${name}: ${value}, ${wanted}`).toBeLessThan(
        tolerance * Math.max(Math.abs(wanted), 0.1),
      );
    }
  }
}

const GRADIENT = METRICS.filter(({ needs }) => needs.includes('gradient')).map(({ name }) => name);
const OTHERS = METRICS.map(({ name }) => name).filter((name) => !GRADIENT.includes(name));
const WEIGHTS = METRICS.filter(({ needs }) =>
  needs.every((part) => !['gradient', 'activation', 'inputGradient'].includes(part)),
).map(({ name }) => name);

describe.each([chosen, 'cpu'] as const)('a live model with LoRA adapters, on %s', (backend) => {
  beforeEach(async () => {
    await openBackend(backend);
    model = new LoraModel();
  });
  afterEach(() => model.dispose());

  it('is measured as the same model trained in full, slow lane and calibration samples included', async () => {
    const references = referencesOf(model.base());
    const { weights, calibration } = model;
    const lora = { scale: SCALE };
    const step = (optimizer: tf.Optimizer) => optimizer.applyGradients({});
    const before = bitsOf(model.variables);
    const live = await measured({ weights, references, calibration, lora }, step, 8);
    expect(bitsOf(model.variables)).toEqual(before);
    const twin = model.dense();
    const options = { weights: twin.weights, references, calibration: twin.calibration };
    const dense = await measured(
      options,
      (optimizer, count) => {
        if (count === 0) {
          twin.move();
        }
        optimizer.applyGradients({});
      },
      60,
    );
    references.forEach((_, r) => {
      const [found, expected] = [live, dense].map((statistics) => computePairMetrics(statistics, r));
      expectSame(found, expected, 2e-5, OTHERS);
      const present = OTHERS.filter((name) => found[name].value !== null);
      // All but those of the bottom subspaces, which a matrix of low rank does not have.
      expect(present, present.join()).toHaveLength(OTHERS.length - 2);
      for (const name of GRADIENT) {
        const reason = expect.stringContaining('2 watched matrices have LoRA adapters');
        expect(found[name]).toEqual({ value: null, reason });
      }
    });
    // The settled subspaces of the dense model have needed many ticks; products with factors are of rank 4 at once.
    expect(live.live).toHaveLength(dense.live.length);
    const probes = [live, dense].map(({ selfProbe }) => selfProbe!);
    for (const key of ['accuracy', 'loss', 'scaledAccuracy', 'scaledLoss'] as const) {
      expect(probes[0][key], key).toBeCloseTo(probes[1][key], 5);
    }
  });

  it('after training: as float64 on the host has it, and only the factors, bias and head have moved', async () => {
    const base = model.base();
    // Wider than any rank here; tap.k makes them comparable.
    const references = referencesOf(base, 10);
    const frozen = bitsOf([model.kernel, model.weight]);
    const trained = bitsOf(model.trained);
    const { weights, calibration } = model;
    const lora = { scale: SCALE };
    // Then it rests, since a tracked subspace is a tick or two behind.
    const minimize = (optimizer: tf.Optimizer, count: number) => {
      if (count < 6) {
        optimizer.minimize(model.loss, false, model.trained);
      } else {
        optimizer.applyGradients({});
      }
    };
    const live = await measured({ weights, references, calibration, lora }, minimize, 10);
    expect(bitsOf([model.kernel, model.weight])).toEqual(frozen);
    bitsOf(model.trained).forEach((bits, i) => {
      expect(bits, model.trained[i].name).not.toEqual(trained[i]);
    });
    const host = hostStatistics({
      k: K,
      live: { taskVector: exactLive(model, base) },
      references: references.map((reference) => ({
        name: reference.name,
        taskVector: tausOf(reference),
      })),
    });
    references.forEach((_, r) => {
      expectSame(computePairMetrics(live, r), computePairMetrics(host, r), 1e-4, WEIGHTS);
    });
  });
});

function exactLive(live: LoraModel, base: ReturnType<LoraModel['base']>): NumericTensors {
  const taus = live.taus();
  const bias = live.bias.dataSync();
  return new Map(
    [...base].map(([name, { shape, data }]) => [
      name,
      {
        shape,
        data: name.endsWith('bias')
          ? Float64Array.from(data, (value, i) => bias[i] - value)
          : taus[name as keyof typeof taus],
      },
    ]),
  );
}

function tausOf(reference: Reference): NumericTensors {
  return new Map(reference.tensors.map((tensor) => [tensor.name, tauOf(reference, tensor)]));
}

it('gives all device memory back', async () => {
  await openBackend(chosen);
  model = new LoraModel();
  const references = referencesOf(model.base());
  const { weights, calibration } = model;
  const before = tf.memory().numTensors;
  const minimize = (optimizer: tf.Optimizer) => {
    optimizer.minimize(model.loss, false, model.trained);
  };
  await measured({ weights, references, calibration, lora: { scale: SCALE } }, minimize, 5);
  expect(tf.memory().numTensors).toBe(before);
  model.dispose();
});
