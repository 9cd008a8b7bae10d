import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { attach, sharedWeights } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { makeReference } from '../../../src/reference/index.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { eventLog } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

const config = { fingerprint: null, slow: { enabled: false } };

function model() {
  return {
    'layer/kernel': tf.variable(tf.ones([2, 3])),
    'lm_head/kernel': tf.variable(tf.ones([3, 4])),
  };
}

function moved(base: NamedTensors): NamedTensors {
  return new Map(
    [...base].map(([name, { shape, data }]) => [name, { shape, data: data.map((v, i) => v + i + 1) }]),
  );
}

describe('what is called like a head', () => {
  it('is left out, unless all references hold it: then it came with the base', async () => {
    const weights = model();
    const whole = await sharedWeights(weights, []);
    const withHead = makeReference({ name: 'whole', base: whole, model: moved(whole) });
    const guard = await attach(tf.train.sgd(0), { weights, references: [withHead], config });
    const log = eventLog(guard);
    await guard.detach();
    const [hello] = log.of('hello');
    expect(hello.coverage).toMatchObject({ matched: 2, excluded: [] });

    const trunk = await sharedWeights(weights);
    expect([...trunk.keys()]).toEqual(['layer.weight']);
    const without = makeReference({ name: 'trunk', base: trunk, model: moved(trunk) });
    const other = await attach(tf.train.sgd(0), { weights, references: [without], config });
    const otherLog = eventLog(other);
    await other.detach();
    expect(otherLog.of('hello')[0].coverage).toMatchObject({
      matched: 1,
      excluded: [{ name: 'lm_head.weight', reason: 'task head' }],
    });
  });

  it('is left out where the user says so, which a reference that holds it does not fit', async () => {
    const weights = model();
    const whole = await sharedWeights(weights, []);
    const withHead = makeReference({ name: 'whole', base: whole, model: moved(whole) });
    const attaching = attach(tf.train.sgd(0), {
      weights,
      references: [withHead],
      heads: ['lm_head'],
      config,
    });
    await expect(attaching).rejects.toThrow('lm_head.weight');
  });
});
