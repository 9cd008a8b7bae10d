import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Calibration } from '../../../../hooks/tfjs/calibration.js';
import { attach, layoutOf } from '../../../../hooks/tfjs/index.js';
import { isWatched } from '../../../../hooks/tfjs/layout.js';
import { DeviceStatistics } from '../../../../hooks/tfjs/statistics.js';
import { liveContext } from '../../../../hooks/tfjs/steering/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import type { SteeredTensor } from '../../../../src/steering/index.js';
import { permute } from '../../../../src/tensors/index.js';
import { chosen } from '../../../backend/chosen.js';
import { bitsOf } from '../../../steering/model.js';
import { eventLog, referencesFor, SmallModel } from '../guarded-loop.js';
import { LoraModel, referencesOf, SCALE } from '../lora-model.js';
import { minimize, RATE, steeredBy, type Terms } from './support.js';

beforeAll(() => openBackend(chosen));

const disposables: { dispose(): void }[] = [];
afterEach(() => {
  for (const each of disposables.splice(0).reverse()) {
    each.dispose();
  }
});

const RECIPE = {
  kind: 'ema',
  batch: null,
  reduction: 'mean',
  clipped: false,
  accumulated: 1,
  lossScale: 1,
} as const;

function contextOf(model: SmallModel, references: readonly Reference[], referenceBytes?: number) {
  const watched = layoutOf(model.weights).shared.filter(isWatched);
  const statistics = new DeviceStatistics(watched, references, {
    k: 2,
    powerIterations: 1,
    gradientDecay: 0.9,
    recipe: RECIPE,
    unmeasured: {},
    referenceBytes,
    // One tensor a chunk, and none that ends with it.
    chunk: 100,
  });
  const tensors = watched.map(({ name, variable, permutation }, t): SteeredTensor => {
    const { origin } = statistics.taus[t];
    return { name, variable, transposed: permutation !== null, isFactor: false, base: () => origin };
  });
  const calibration = new Calibration(model.inputs, model.labels.slice(0, 16), {
    predict: model.predict,
    predictWith: null,
    output: 'logits',
    activation: model.activation,
  });
  const context = liveContext({ tensors, references, statistics, calibration, seed: 1 });
  disposables.push(calibration, statistics, context);
  return { context, tensors, calibration };
}

describe('what is lent of a reference', () => {
  it.each([
    ['on the device', undefined],
    ['in main memory', 0],
  ])('is its task vector and gradient in the layout of the live variables (%s)', async (_, bytes) => {
    const model = new SmallModel();
    disposables.push(model);
    const references = await referencesFor(model.weights);
    const { context, tensors } = contextOf(model, references, bytes);
    expect(context.references.map(({ name }) => name)).toEqual(['one', 'two']);
    const before = tf.memory().numTensors;
    context.references.forEach((reference, r) => {
      for (const tensor of tensors) {
        const [tau, gradient] = tf.tidy(() =>
          [reference.tau(tensor)!, reference.gradient(tensor)!].map((each) => ({
            shape: each.shape,
            data: [...each.dataSync()],
          })),
        );
        for (const [found, stored] of [
          [tau, references[r].tau.get(tensor.name)!],
          [gradient, references[r].gradient!.get(tensor.name)!],
        ] as const) {
          const expected = tensor.transposed ? permute(stored.data, stored.shape, [1, 0]) : stored.data;
          expect(found.shape).toEqual(tensor.variable.shape);
          expect(found.data).toEqual([...expected]);
        }
      }
    });
    expect(tf.memory().numTensors).toBe(before);
    expect(context.references[0].rightSubspaces.get('hidden.weight')).toBe(
      references[0].subspaces.get('hidden.weight')!.right,
    );
  });

  it('is null where it has none of it', async () => {
    const model = new SmallModel();
    disposables.push(model);
    const [full] = await referencesFor(model.weights);
    const less: Reference = { ...full, gradient: null, tau: new Map([...full.tau].slice(0, 1)) };
    const { context, tensors } = contextOf(model, [less]);
    const [{ tau, gradient, inputs }] = [
      {
        tau: tf.tidy(() => tensors.map((tensor) => context.references[0].tau(tensor) !== null)),
        gradient: tensors.map((tensor) => context.references[0].gradient(tensor)),
        inputs: context.references[0].inputs,
      },
    ];
    expect(tau).toEqual([true, false]);
    expect(gradient).toEqual([null, null]);
    expect(inputs).toBeNull();
    const factor = { ...tensors[0], isFactor: true };
    expect(context.references[0].tau(factor)).toBeNull();
  });

  it('are its calibration inputs, on the device once and only where a term asks', async () => {
    const model = new SmallModel();
    disposables.push(model);
    const references = await referencesFor(model.weights, undefined, undefined, [6]);
    const { context, calibration } = contextOf(model, references);
    const before = tf.memory().numTensors;
    expect(context.references[0].hasInputs).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
    const { inputs } = context.references[0];
    expect(context.references[0].inputs).toBe(inputs);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect([...inputs!.dataSync()]).toEqual([...references[0].calibration!.images.data]);
    const activations = tf.tidy(() => context.activations!(inputs!).shape);
    expect(activations).toEqual([12, 12]);
    expect(calibration.hasActivation).toBe(true);
  });
});

describe('terms that ask for it', () => {
  const ASKING: Terms = {
    functional: { strength: 0.3, samples: 4 },
    alignment: { strength: 0.5, mode: 'attract' },
    merge_simulation: { strength: 0.5, form: 'added', chain: true, partner: 'reference' },
    subspace: { strength: 0.1 },
  };

  it('act, with nothing measured on the calibration samples, and do not grow in 50 steps', async () => {
    const runs = [];
    for (const steering of [ASKING, ASKING, {}]) {
      const model = new SmallModel();
      const references = await referencesFor(model.weights, undefined, undefined, [6]);
      const { config, ...options } = steeredBy(steering, model.weights);
      const optimizer = tf.train.sgd(RATE);
      const before = tf.memory().numTensors;
      const guard = await attach(optimizer, {
        ...options,
        references,
        calibration: model.calibration,
        config: {
          ...(config as object),
          selfProbe: { enabled: false },
          functional: { enabled: false },
        },
      });
      const log = eventLog(guard);
      await minimize(optimizer, model);
      const tensors = tf.memory().numTensors;
      for (let step = 0; step < 50; step++) {
        await minimize(optimizer, model);
      }
      // A tick may have waited to be read.
      expect(tf.memory().numTensors).toBeLessThanOrEqual(tensors);
      await guard.detach();
      expect(tf.memory().numTensors).toBe(before);
      expect(log.titles).toEqual([]);
      runs.push(bitsOf(model.variables));
      model.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).not.toEqual(runs[0]);
  });

  it('say what is missing, and which work without', async () => {
    const model = new SmallModel();
    disposables.push(model);
    const references = await referencesFor(model.weights);
    const options = { ...steeredBy(ASKING, model.weights), references };
    const optimizer = tf.train.sgd(RATE);
    const before = tf.memory().numTensors;
    await expect(attach(optimizer, options)).rejects.toThrow(
      /functional needs references with calibration samples and an `activation` function, .*which this run has not; .*scale_jitter.* work without$/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('with LoRA adapters', () => {
  it('terms in place move the task vector of adapted matrices, and put everything back bit by bit', async () => {
    const model = new LoraModel(3);
    disposables.push(model);
    const references = referencesOf(model.base());
    const steering = {
      merge_simulation: { strength: 1, form: 'in_place', chain: false, low: 0.5, high: 0.5, partner: 'auto' },
      proximal: { strength: 0.01 },
    };
    const optimizer = tf.train.sgd(RATE);
    const { config } = steeredBy(steering, model.weights);
    const guard = await attach(optimizer, {
      weights: model.weights,
      references,
      lora: { scale: SCALE },
      config,
    });
    const log = eventLog(guard);
    const bits = bitsOf(model.variables);
    const plain = model.loss().dataSync()[0];
    const { value, grads } = optimizer.computeGradients(model.loss, model.trained);
    expect(bitsOf(model.variables)).toEqual(bits);
    expect(Math.abs(value.dataSync()[0] - plain)).toBeGreaterThan(1e-4);
    tf.dispose([value, grads]);
    for (let step = 0; step < 5; step++) {
      optimizer.minimize(model.loss, false, model.trained);
      await tf.nextFrame();
    }
    await guard.detach();
    expect(log.titles).toEqual([]);
  });
});
