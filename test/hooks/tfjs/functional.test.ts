import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../hooks/tfjs/index.js';
import { isAsynchronous, openBackend } from '../../../src/backend/index.js';
import { writeFingerprint } from '../../../src/fingerprint/index.js';
import type { GuardConfigInput } from '../../../src/guard/index.js';
import { PAIR, PAIR_WIDTH, SIDE, SIDE_WIDTH } from '../../../src/metrics/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { type HostTensor, Random } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { fingerprintOf } from '../../guard/fingerprint-sample.js';
import { EVERY_STEP, eventLog, recordingGuard, referencesFor, SmallModel, train } from './guarded-loop.js';
import { heldOut } from './probed-loop.js';
import { answersOf, inputGradients, meanActivation, pairNumbers, weightsOf } from './small-model-by-hand.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
let references: Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights, ['one', 'two'], undefined, [6]);
  return () => model.dispose();
});

const options = (): AttachOptions => ({
  weights: model.weights,
  references,
  calibration: model.calibration,
  config: EVERY_STEP,
});

function rows({ shape: [, size], data }: HostTensor, count: number): number[][] {
  return Array.from({ length: count }, (_, i) => [...data.subarray(i * size, (i + 1) * size)]);
}

const ownRows = (count: number) =>
  rows({ shape: [32, 6], data: model.inputs.dataSync() as Float32Array }, count);

function expectClose(found: number | null, expected: number, name: string): void {
  expect(Math.abs(found! / expected - 1), `${name}: ${found}, ${expected}`).toBeLessThan(1e-5);
}

/** The last tick after some training, with these settings. */
async function trained(changes: Partial<AttachOptions> = {}, steps = 5) {
  const optimizer = tf.train.adam(0.02);
  const recording = recordingGuard();
  const guard = await attach(optimizer, { ...options(), guard: recording.guard, ...changes });
  const log = eventLog(guard);
  await train(model, optimizer, steps);
  await guard.detach();
  optimizer.dispose();
  const { statistics } = recording.observations.at(-1)!;
  return { log, statistics, pairs: log.of('tick').at(-1)!.pairs };
}

describe('activations', () => {
  it.each([10, 7, 100])(
    'are what a host computes from both models over both tasks’ samples: %i',
    async (samples) => {
      const base = weightsOf(model);
      const { pairs } = await trained({ config: { ...EVERY_STEP, functional: { samples, every: 1 } } });
      const live = weightsOf(model);
      references.forEach(({ tau, calibration }, r) => {
        const own = ownRows(Math.min(samples, 32));
        const pooled = [...own, ...rows(calibration!.images, Math.min(samples, 12))];
        const moved = weightsOf(model, base, tau);
        const expected = pairNumbers(meanActivation(live, pooled), meanActivation(moved, pooled));
        for (const [name, value] of Object.entries(expected)) {
          expectClose(pairs[r].metrics[`activation_${name}`], value, name);
        }
      });
    },
  );

  it('are the same by the name of a layer', async () => {
    const sequential = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'hidden', inputShape: [6], units: 12, activation: 'tanh' }),
        tf.layers.dense({ name: 'head', units: 3 }),
      ],
    });
    references = await referencesFor(sequential, ['one'], undefined, [6]);
    const hidden = tf.model({
      inputs: sequential.inputs,
      outputs: sequential.layers[0].output as tf.SymbolicTensor,
    });
    const { predict: _, activation: __, ...batch } = model.calibration;
    const found = [];
    for (const calibration of [
      { ...batch, layer: 'hidden' },
      { ...batch, activation: (inputs: tf.Tensor) => hidden.apply(inputs) as tf.Tensor },
    ]) {
      const guard = await attach(tf.train.sgd(0.1), { ...options(), weights: sequential, calibration });
      const log = eventLog(guard);
      await guard.detach();
      found.push(log.of('tick').at(-1)!.pairs[0].metrics.activation_dot_product);
    }
    expect(found[0]).not.toBeNull();
    expect(found[0]).toBe(found[1]);
    sequential.dispose();
  });
});

describe('input gradients', () => {
  it.each([
    { samples: 10, used: 8 },
    { samples: 5, used: 5 },
  ])('are what a host computes, of the first $used samples each', async ({ samples, used }) => {
    const { pairs } = await trained({ config: { ...EVERY_STEP, functional: { samples, every: 1 } } });
    const live = inputGradients(weightsOf(model), ownRows(used), [...model.labels]).flat();
    references.forEach(({ inputGradient }, r) => {
      const stored = rows(inputGradient!, used).flat();
      const mean = (gradient: number[]) => gradient.map((value) => value / used);
      const expected = pairNumbers(mean(live), mean(stored));
      for (const name of ['cosine_similarity', 'l2_distance', 'dot_product'] as const) {
        expectClose(pairs[r].metrics[`input_gradient_${name}`], expected[name], name);
      }
    });
  });
});

describe('what is missing', () => {
  const reasonsOf = async (changes: Partial<AttachOptions>) => {
    const { pairs } = await trained(changes, 0);
    return pairs.map(({ reasons }) => [reasons.activation_l2_distance, reasons.input_gradient_l2_distance]);
  };

  it('in one reference is said of that one only, with both shapes', async () => {
    const [one, two] = references;
    const bare = { ...one, calibration: null, inputGradient: null };
    const [other] = await referencesFor(model.weights, ['other'], undefined, [2, 3]);
    expect(await reasonsOf({ references: [bare, other, two] })).toEqual([
      ['reference "one" has no stored calibration samples', 'reference "one" has no stored input gradients'],
      [
        'the calibration samples of reference "other" are [2, 3] each, those of the live task [6]',
        'the input gradients of reference "other" are [2, 3] a sample, the inputs of the live task [6]',
      ],
      [undefined, undefined],
    ]);
  });

  it('in the run is said of all', async () => {
    const [none, noLayer, off] = [
      await reasonsOf({ calibration: undefined }),
      await reasonsOf({ calibration: { ...model.calibration, activation: undefined } }),
      await reasonsOf({ config: { ...EVERY_STEP, functional: { enabled: false } } }),
    ];
    const noBatch = 'no calibration batch of the live task was given';
    expect(none).toEqual([1, 2].map(() => [noBatch, noBatch]));
    const unnamed = 'the calibration batch names no hidden layer (`layer` or `activation`)';
    expect(noLayer).toEqual([1, 2].map(() => [unnamed, undefined]));
    const switched = 'it is switched off (functional.enabled)';
    expect(off).toEqual([1, 2].map(() => [switched, switched]));
  });

  it('before the first measurement is said too, then the values age', async () => {
    const config = { ...EVERY_STEP, functional: { every: 4 } };
    const { log } = await trained({ config }, 8);
    const ticks = log.of('tick').map(({ step, ages, pairs: [{ reasons }] }) => ({
      step,
      reason: reasons.activation_l2_distance,
      age: ages.activation_l2_distance,
      gradientAge: ages.input_gradient_l2_distance,
    }));
    // The measurement of step 4 takes three steps, a piece each: the input gradients, then one reference after the other.
    expect(ticks.slice(0, 7)).toEqual([
      ...[1, 2, 3, 4, 5].map((step) => ({
        step,
        reason: 'the activations are not measured yet (against 0 of 2 references)',
        age: undefined,
        gradientAge: step === 5 ? 1 : undefined,
      })),
      {
        step: 6,
        reason: 'the activations are not measured yet (against 1 of 2 references)',
        age: undefined,
        gradientAge: 2,
      },
      { step: 7, reason: undefined, age: 2, gradientAge: 3 },
    ]);
    expect(ticks.at(-1)).toEqual({ step: 8, reason: undefined, age: undefined, gradientAge: undefined });
  });
});

describe('gradients on calibration samples', () => {
  const CALIBRATED: GuardConfigInput = {
    ...EVERY_STEP,
    gradient: { kind: 'calibration', batch: 7, clipped: true },
  };

  it('are those of the mean loss at the live weights, with their recipe', async () => {
    const { statistics } = await trained({ config: CALIBRATED });
    expect(statistics.gradient).toEqual({
      kind: 'calibration',
      batch: 10,
      reduction: 'mean',
      clipped: false,
      accumulated: 1,
      lossScale: 1,
    });
    expect(statistics.measuredAt.gradient).toBeUndefined();
    const labels = tf.oneHot(tf.tensor1d(model.labels.subarray(0, 10), 'int32'), 3);
    const { grads } = tf.variableGrads(
      () => tf.losses.softmaxCrossEntropy(labels, model.predict(tf.slice(model.inputs, 0, 10))) as tf.Scalar,
      model.variables,
    );
    const { tensors, live, pair } = statistics;
    [model.hidden, model.bias].forEach((variable, t) => {
      const gradient = [...(t === 0 ? tf.transpose(grads[variable.name]) : grads[variable.name]).dataSync()];
      expectClose(live[t * SIDE_WIDTH + SIDE.gradientNorm], dot(gradient, gradient), tensors[t].name);
      references.forEach((reference, r) => {
        const stored = [...reference.gradient!.get(tensors[t].name)!.data];
        const cell = pair.subarray((r * tensors.length + t) * PAIR_WIDTH);
        expectClose(cell[PAIR.gradientDot], dot(gradient, stored), tensors[t].name);
      });
    });
  });

  it('are carried forward with the step at which they were taken', async () => {
    const config = { ...CALIBRATED, functional: { every: 3 } };
    const { log } = await trained({ config }, 7);
    const [early, ...late] = log.of('tick');
    expect(early.pairs[0].reasons.encoder_gradient_dot_product).toBe(
      'the gradient of the live model on the calibration samples has not been taken yet',
    );
    const ages = late.map(({ ages: { encoder_gradient_dot_product: age } }) => age);
    // Taken at step 3 after the tick of that step, at step 6 again, and for the last tick.
    expect(ages).toEqual([undefined, undefined, 1, 2, 3, undefined]);
  });

  it('are taken by themselves where the fingerprint was fitted on such, and averages where it was not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
    try {
      const kinds = [];
      for (const live of ['calibration', 'ema'] as const) {
        const fingerprint = join(folder, `${live}.json`);
        const gradientKinds = { live, reference: 'calibration' as const };
        await writeFingerprint(fingerprint, { ...fingerprintOf(['ties']), gradientKinds });
        for (const calibration of [model.calibration, undefined]) {
          const config = { ...EVERY_STEP, fingerprint };
          const guard = await attach(tf.train.sgd(0.1), { ...options(), calibration, config });
          const log = eventLog(guard);
          await guard.detach();
          const reason = log.of('tick').at(-1)!.pairs[0].reasons.encoder_gradient_dot_product;
          kinds.push(reason === undefined ? 'calibration' : 'ema');
        }
      }
      // Without a step an average has no value.
      expect(kinds).toEqual(['calibration', 'ema', 'ema', 'ema']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('more samples than one evaluation takes', () => {
  it('come to what all at once would: gradients, input gradients, activations, self-probe', async () => {
    const { rows: own, labels } = heldOut(7, 80);
    const [one] = references;
    const stored = new Random('stored').normals(80 * 6);
    references = [{ ...one, inputGradient: { shape: [80, 6], data: stored } }];
    const sizes: number[] = [];
    const seen =
      (compute: (inputs: tf.Tensor) => tf.Tensor) =>
      (inputs: tf.Tensor): tf.Tensor => {
        sizes.push(inputs.shape[0]);
        return compute(inputs);
      };
    const base = weightsOf(model);
    const inputs = tf.tensor2d([...own.flat()], [80, 6]);
    const { log, statistics, pairs } = await trained({
      calibration: {
        inputs,
        labels,
        predict: seen(model.predict),
        activation: seen(model.activation),
      },
      config: {
        ...EVERY_STEP,
        gradient: { kind: 'calibration' },
        functional: { samples: 80, every: 1 },
        selfProbe: { samples: 80 },
      },
    });
    expect(Math.max(...sizes)).toBe(isAsynchronous() ? 92 : 32);

    const live = weightsOf(model);
    const oneHot = tf.oneHot(tf.tensor1d(labels, 'int32'), 3);
    const { grads, value } = tf.variableGrads(
      () => tf.losses.softmaxCrossEntropy(oneHot, model.predict(inputs)) as tf.Scalar,
      model.variables,
    );
    [model.hidden, model.bias].forEach((variable, t) => {
      const gradient = [...grads[variable.name].dataSync()];
      const norm = statistics.live[t * SIDE_WIDTH + SIDE.gradientNorm];
      expectClose(norm, dot(gradient, gradient), statistics.tensors[t].name);
    });
    const expected = {
      input_gradient: pairNumbers(
        inputGradients(live, own, labels).flatMap((row) => row.map((part) => part / 80)),
        [...stored].map((part) => part / 80),
      ),
      activation: pairNumbers(
        meanActivation(live, [...own, ...rows(one.calibration!.images, 12)]),
        meanActivation(weightsOf(model, base, one.tau), [...own, ...rows(one.calibration!.images, 12)]),
      ),
    };
    for (const [family, numbers] of Object.entries(expected)) {
      for (const name of ['cosine_similarity', 'l2_distance', 'dot_product'] as const) {
        expectClose(pairs[0].metrics[`${family}_${name}`], numbers[name], `${family}_${name}`);
      }
    }
    const probe = log.of('tick').at(-1)!.selfProbe!;
    const { correct } = answersOf(live, own, labels);
    expect(probe.samples).toBe(80);
    expect(probe.accuracy).toBeCloseTo(correct.reduce((sum, hit) => sum + hit, 0) / 80, 6);
    expectClose(probe.loss, value.dataSync()[0], 'loss');
  });
});

describe('evaluating leaves no trace', () => {
  it('in weights, in what a forward pass updates, and on the device', async () => {
    const counter = tf.variable(tf.zeros([3]), false);
    const counting = (compute: (inputs: tf.Tensor) => tf.Tensor) => (inputs: tf.Tensor) => {
      counter.assign(tf.add(counter, 1));
      tf.keep(tf.ones([2]));
      return compute(inputs);
    };
    const weights = { ...model.weights, 'norm/moving_mean': counter };
    const calibration = {
      ...model.calibration,
      predict: counting(model.predict),
      activation: counting(model.activation),
    };
    const config = {
      ...EVERY_STEP,
      selfProbe: { enabled: false },
      gradient: { kind: 'calibration' as const },
    };
    const before = model.values();
    const optimizer = tf.train.sgd(0);
    const guard = await attach(optimizer, { ...options(), weights, calibration, config });
    expect(model.values()).toEqual(before);
    const seen = [...counter.dataSync()];
    await train(model, optimizer, 12);
    const working = tf.memory().numTensors;
    await train(model, optimizer, 12);
    expect(tf.memory().numTensors).toBe(working);
    await guard.detach();
    expect(model.values()).toEqual(before);
    expect([...counter.dataSync()]).toEqual(seen);
    counter.dispose();
  });

  it('and gives all device memory back', async () => {
    const optimizer = tf.train.sgd(0.1);
    optimizer.minimize(model.loss, false, model.variables);
    references = await referencesFor(model.weights, ['one', 'two'], undefined, [6]);
    const before = tf.memory().numTensors;
    const config = { ...EVERY_STEP, slow: { every: 1 } };
    const guard = await attach(optimizer, { ...options(), config });
    await train(model, optimizer, 10);
    await guard.detach();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a function that throws switches it off, is told, and the ticks go on', async () => {
    let broken = false;
    const activation = (inputs: tf.Tensor) => {
      if (broken) {
        throw new Error('the layer broke');
      }
      return model.activation(inputs);
    };
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, {
      ...options(),
      calibration: { ...model.calibration, activation },
    });
    const log = eventLog(guard);
    broken = true;
    const before = tf.memory().numTensors;
    await train(model, optimizer, 12);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1);
    await guard.detach();
    expect(log.titles).toEqual(['The slow lane (functional metrics) failed; training goes on']);
    expect(log.of('tick').at(-1)).toMatchObject({ step: 12 });
    expect(log.of('tick').at(-1)!.pairs[0].metrics.input_gradient_l2_distance).not.toBeNull();
  });
});

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
