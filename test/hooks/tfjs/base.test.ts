import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { attach, sharedWeights } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { makeReference } from '../../../src/reference/index.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { eventLog } from './guarded-loop.js';

beforeAll(async () => {
  await openBackend(chosen);
});

/** A model that has gone on from its base, and a reference made from that base. */
async function continued() {
  const kernel = tf.variable(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]));
  const weights = { 'layer/kernel': kernel };
  const base = await sharedWeights(weights);
  const moved: NamedTensors = new Map(
    [...base].map(([name, { shape, data }]) => [name, { shape, data: data.map((value) => value + 1) }]),
  );
  const reference = makeReference({ name: 'other', base, model: moved });
  tf.tidy(() => kernel.assign(tf.add(kernel, 2)));
  return { weights, base, reference };
}

describe('training that goes on from a checkpoint', () => {
  it('is watched against the base it is given', async () => {
    const { weights, base, reference } = await continued();
    const config = { fingerprint: null };
    const guard = await attach(tf.train.sgd(0), { weights, references: [reference], base, config });
    const log = eventLog(guard);
    await guard.detach();
    const [tick] = log.of('tick');
    expect(tick.live.tauNorm).toBeCloseTo(2 * Math.sqrt(6), 5);
    expect(tick.pairs[0].metrics.task_vector_dot_product).toBeCloseTo(12, 5);
  });

  it('is refused without, and with a base of other shapes', async () => {
    const { weights, base, reference } = await continued();
    const without = attach(tf.train.sgd(0), { weights, references: [reference] });
    await expect(without).rejects.toThrow('another base');
    const [[name, { data }]] = base;
    const wrong: NamedTensors = new Map([[name, { shape: [6, 1], data }]]);
    const other = attach(tf.train.sgd(0), { weights, references: [], base: wrong });
    await expect(other).rejects.toThrow('layer.weight is [6, 1] there, [3, 2] here');
  });
});
