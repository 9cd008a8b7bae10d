import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../../hooks/tfjs/index.js';
import { finiteCheck } from '../../../../hooks/tfjs/steering/finite-check.js';
import { openBackend } from '../../../../src/backend/index.js';
import { bitsOf } from '../../../steering/model.js';
import { eventLog, recordingGuard, SmallModel } from '../guarded-loop.js';
import { minimize, RATE, steeredBy, type Terms } from './support.js';

beforeAll(() => openBackend('wasm'));

let model: SmallModel;
beforeEach(() => {
  model = new SmallModel();
  return () => model.dispose();
});

/** A loss that is NaN wherever the weights are not where the optimiser left them, on steps that `isBroken`. */
async function trained(steering: Terms, isBroken: (step: number) => boolean, steps = 8) {
  const moving = tf.variable(tf.scalar(0), false);
  const recording = recordingGuard();
  const optimizer = tf.train.sgd(RATE);
  const weights = { ...model.weights, 'norm/moving_mean': moving };
  const guard = await attach(optimizer, { ...steeredBy(steering, weights), guard: recording.guard });
  const log = eventLog(guard);
  // Away from the base, where there is nothing to move.
  const away = tf.tidy(() => tf.add(model.hidden, 0.05));
  model.hidden.assign(away);
  away.dispose();
  let tensors = 0;
  for (let step = 0; step < steps; step++) {
    const live = model.hidden.dataSync()[0];
    await minimize(optimizer, model, () => {
      moving.assign(tf.add(moving, 1) as tf.Scalar);
      const isMoved = model.hidden.dataSync()[0] !== live;
      return tf.mul(model.loss(), isMoved && isBroken(step) ? Number.NaN : 1) as tf.Scalar;
    });
    tensors = step === 1 ? tf.memory().numTensors : tensors;
  }
  expect(tf.memory().numTensors).toBe(tensors);
  await guard.detach();
  const bits = bitsOf(model.variables);
  const updates = moving.dataSync()[0];
  const fallbacks = recording.observations.reduce((sum, { skipped }) => sum + (skipped.fallbacks ?? 0), 0);
  const perturbed = recording.observations.reduce((sum, { skipped }) => sum + skipped.perturbed, 0);
  moving.dispose();
  return { bits, log, updates, fallbacks, perturbed };
}

describe('gradients at moved weights that are not finite', () => {
  const jitter = (form: string) => ({ scale_jitter: { strength: 1, low: 0.4, high: 0.6, form } });

  it.each(['added', 'in_place'])(
    'leave plain training, bit by bit, and are counted and told (%s)',
    async (form) => {
      const steered = await trained(jitter(form), () => true);
      model.dispose();
      model = new SmallModel();
      const plain = await trained({}, () => false);
      expect(steered.bits).toEqual(plain.bits);
      expect(steered.fallbacks).toBe(8);
      expect(plain.fallbacks).toBe(0);
      // A forward pass updates what it updates once a step.
      expect(steered.updates).toBe(8);
      expect(steered.perturbed).toBe(0);
      expect(steered.log.titles).toEqual(['The gradients at the weights of a steering term are not finite']);
      expect(steered.log.of('alert')[0].text).toContain('on 3 of the last 3 steered steps');
      expect(steered.log.of('tick').at(-1)!.live.gradientNorm).not.toBeNull();
    },
  );

  it('are no alert where it happens now and then', async () => {
    const { log, fallbacks } = await trained(jitter('in_place'), (step) => step === 2 || step === 5);
    expect(fallbacks).toBe(2);
    expect(log.titles).toEqual([]);
  });
});

describe('where the backend can not be read at once', () => {
  const gradients = (values: number[]) => ({
    value: tf.scalar(1),
    grads: { a: tf.tensor1d(values), b: tf.ones([2, 2]) } as tf.NamedTensorMap,
  });

  it('the device puts zeros in their place, and keeps the count', async () => {
    const told: number[] = [];
    const before = tf.memory().numTensors;
    const check = finiteCheck((count) => told.push(count), 'webgpu');
    for (let i = 0; i < 40; i++) {
      const isBroken = i % 10 === 3;
      const passed = check.pass(gradients([1, isBroken ? Number.NaN : 2]))!;
      expect([...passed.grads.a.dataSync()]).toEqual(isBroken ? [0, 0] : [1, 2]);
      expect([...passed.grads.b.dataSync()]).toEqual(isBroken ? [0, 0, 0, 0] : [1, 1, 1, 1]);
      tf.dispose([passed.value, passed.grads]);
    }
    await tf.nextFrame();
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(4);
    check.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('and where it can, what is finite passes as it is', () => {
    const told: number[] = [];
    const check = finiteCheck((count) => told.push(count));
    const finite = gradients([1, 2]);
    expect(check.pass(finite)).toBe(finite);
    const infinite = gradients([1, Number.POSITIVE_INFINITY]);
    expect(check.pass(infinite)).toBeNull();
    expect(infinite.grads.b.isDisposed).toBe(true);
    expect(told).toEqual([1]);
    tf.dispose([finite.value, finite.grads]);
  });
});
