import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../../hooks/tfjs/index.js';
import { finiteCheck } from '../../../../hooks/tfjs/steering/finite-check.js';
import { openBackend } from '../../../../src/backend/index.js';
import { chosen } from '../../../backend/chosen.js';
import { bitsOf } from '../../../steering/model.js';
import { eventLog, recordingGuard, SmallModel } from '../guarded-loop.js';
import { minimize, RATE, steeredBy, type Terms } from './support.js';

beforeAll(() => openBackend(chosen));

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

describe('a loss that throws at moved weights alone', () => {
  /** Trains by `minimize`, or by a loop that computes its gradients itself. */
  async function train(
    { strict = false, form = 'in_place' },
    by: 'minimize' | 'steered',
    breaks: (step: number) => boolean,
  ) {
    const optimizer = tf.train.sgd(RATE);
    const moving = tf.variable(tf.scalar(0), false);
    const options = steeredBy(
      { scale_jitter: { strength: 1, low: 0.4, high: 0.6, form } },
      { ...model.weights, 'norm/moving_mean': moving },
    );
    const guard = await attach(optimizer, { ...options, config: { ...(options.config as object), strict } });
    const log = eventLog(guard);
    const away = tf.tidy(() => tf.add(model.hidden, 0.05));
    model.hidden.assign(away);
    away.dispose();
    let evaluations = 0;
    const tensors: number[] = [];
    try {
      for (let step = 0; step < 8; step++) {
        const live = model.hidden.dataSync()[0];
        const loss = () => {
          evaluations += 1;
          moving.assign(tf.add(moving, 1) as tf.Scalar);
          if (model.hidden.dataSync()[0] !== live && breaks(step)) {
            throw new Error('the loss diverged');
          }
          return model.loss();
        };
        if (by === 'minimize') {
          await minimize(optimizer, model, loss);
        } else {
          const { value, grads } = guard.steered(() => tf.variableGrads(loss, model.variables));
          optimizer.applyGradients(grads);
          tf.dispose([value, grads]);
          await tf.nextFrame();
        }
        tensors.push(tf.memory().numTensors);
      }
    } finally {
      await guard.detach();
    }
    const updates = moving.dataSync()[0];
    moving.dispose();
    return { bits: bitsOf(model.variables), log, evaluations, tensors, updates };
  }

  it.each(['minimize', 'steered'] as const)(
    'is trained plainly, bit by bit, told, and after three in a row not evaluated there (%s)',
    async (by) => {
      const { bits, log, evaluations, tensors, updates } = await train({}, by, () => true);
      model.dispose();
      model = new SmallModel();
      const plain = await trained({}, () => false);
      expect(bits).toEqual(plain.bits);
      expect(evaluations).toBe(3 * 2 + 5);
      expect(updates).toBe(8);
      expect(new Set(tensors).size).toBe(1);
      const part = 'The evaluation at the weights of terms in place';
      expect(log.titles).toEqual([`${part} failed; training goes on`, `${part} is switched off`]);
      expect(log.of('alert')[0].text).toBe('the loss diverged');
    },
  );

  it.each([
    ['in_place', 'evaluation at the weights of terms in place', 8 + 6],
    ['added', 'term scale_jitter', 8 + 8],
  ] as const)(
    'is told once, and leaves nothing behind, where it happens now and then (%s)',
    async (form, part, count) => {
      const found = await train({ form }, 'minimize', (step) => step % 3 !== 2);
      expect(found.evaluations).toBe(count);
      expect(found.log.titles).toEqual([`The ${part} failed; training goes on`]);
      expect(new Set(found.tensors).size).toBe(1);
    },
  );

  it('ends the training with `strict`', async () => {
    await expect(train({ strict: true }, 'minimize', () => true)).rejects.toThrow('the loss diverged');
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

  it('the gradients belong to the scope that they are made in, and nothing but the count is kept', () => {
    const check = finiteCheck(() => {}, 'webgl');
    const before = tf.memory().numTensors;
    for (let step = 0; step < 3; step++) {
      tf.tidy(() => {
        check.pass(gradients([1, 2]));
      });
      expect(tf.memory().numTensors).toBe(before);
    }
    check.dispose();
  });

  it('a short run is told of them when it ends', async () => {
    const told: number[] = [];
    const check = finiteCheck((count) => told.push(count), 'webgpu');
    for (let step = 0; step < 5; step++) {
      const passed = check.pass(gradients([1, Number.NaN]));
      tf.dispose([passed!.value, passed!.grads]);
    }
    expect(told).toEqual([]);
    await check.settle();
    await check.settle();
    expect(told).toEqual([5]);
    check.dispose();
  });

  it('the guard tells of them before it closes', async () => {
    // The same backend under a name that is none of those that can be read at once.
    tf.registerBackend('elsewhere', () => tf.findBackend(chosen));
    tf.copyRegisteredKernels(chosen, 'elsewhere');
    await tf.setBackend('elsewhere');
    try {
      const { log } = await trained({ scale_jitter: { strength: 1, low: 0.4, high: 0.6 } }, () => true);
      expect(log.titles).toEqual(['The gradients at the weights of a steering term are not finite']);
    } finally {
      await tf.setBackend(chosen);
    }
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
