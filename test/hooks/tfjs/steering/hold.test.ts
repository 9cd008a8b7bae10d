import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import { chosen } from '../../../backend/chosen.js';
import { bitsOf } from '../../../steering/model.js';
import { eventLog, referencesFor, SmallModel } from '../guarded-loop.js';
import { minimize, steeredBy, type Terms } from './support.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
beforeEach(() => {
  model = new SmallModel();
  return () => model.dispose();
});

const others: Terms = {
  proximal: { strength: 1 },
  alignment: { strength: 1, mode: 'attract' },
  scale_jitter: { strength: 1, form: 'added' },
};

describe('hold beside other terms', () => {
  it('leaves what is no matrix where it is, bit by bit, under Adam, whatever the order of the terms', async () => {
    for (const terms of [
      { hold: { strength: 1 }, ...others },
      { ...others, hold: { strength: 1 } },
    ]) {
      const own = new SmallModel();
      const references = await referencesFor(own.weights);
      const optimizer = tf.train.adam(0.01);
      const guard = await attach(optimizer, { ...steeredBy(terms, own.weights), references });
      const log = eventLog(guard);
      const [hidden, bias] = bitsOf([own.hidden, own.bias]);
      const tensors: number[] = [];
      for (let step = 0; step < 6; step++) {
        await minimize(optimizer, own);
        tensors.push(tf.memory().numTensors);
      }
      await guard.detach();
      expect(bitsOf([own.bias])[0]).toEqual(bias);
      expect(bitsOf([own.hidden])[0]).not.toEqual(hidden);
      expect(new Set(tensors.slice(1)).size).toBe(1);
      expect(log.titles).toEqual(['What a steering term acts on']);
      own.dispose();
    }
  });

  it('is told once, as information: what is held is gone by names', async () => {
    const optimizer = tf.train.sgd(0.1);
    const alerts: string[] = [];
    const guard = await attach(optimizer, steeredBy({ hold: { strength: 1 } }, model.weights));
    guard.events.subscribe((event) => {
      if (event.event === 'alert') {
        alerts.push(`${event.level} ${event.title}: ${event.text}`);
      }
    });
    await minimize(optimizer, model);
    await minimize(optimizer, model);
    await guard.detach();
    expect(alerts).toEqual(['info What a steering term acts on: hold holds 1 of 2 tensors: hidden.bias']);
  });
});
