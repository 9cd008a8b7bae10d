import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { chosen } from '../../backend/chosen.js';
import { bitsOf } from '../../steering/model.js';
import { EVERY_STEP, eventLog } from './guarded-loop.js';
import { LoraModel, referencesOf, SCALE } from './lora-model.js';

let model: LoraModel;

describe('a live model with LoRA adapters', () => {
  beforeEach(async () => {
    await openBackend(chosen);
    model = new LoraModel(2, true);
  });
  afterEach(() => model.dispose());

  it('the self-probe is evaluating with factors B half as long by hand', async () => {
    const { weights, calibration } = model;
    const optimizer = tf.train.sgd(0.2);
    const guard = await attach(optimizer, {
      weights,
      references: [],
      calibration,
      lora: { scale: SCALE },
      config: EVERY_STEP,
    });
    const log = eventLog(guard);
    const bias = model.bias.dataSync().slice();
    for (let step = 0; step < 10; step++) {
      optimizer.minimize(model.loss, false, model.trained);
      await tf.nextFrame();
    }
    const live = bitsOf(model.variables);
    await guard.detach();
    expect(bitsOf(model.variables)).toEqual(live);
    const probe = log.of('tick').at(-1)!.selfProbe!;
    expect(log.titles).toEqual([]);
    tf.tidy(() => {
      expect(probe.loss).toBeCloseTo(model.loss().dataSync()[0], 5);
      model.kernelB.assign(tf.mul(model.kernelB, 0.5));
      model.weightB.assign(tf.mul(model.weightB, 0.5));
      model.bias.assign(tf.div(tf.add(model.bias, bias), 2));
      expect(probe.scaledLoss).toBeCloseTo(model.loss().dataSync()[0], 5);
    });
    expect(probe.scaledLoss).not.toBeCloseTo(probe.loss, 2);
  });

  it('scale_jitter scales task vectors: the gradients are those of the loss at base + s tau', async () => {
    const steering = { scale_jitter: { strength: 1, form: 'added', chain: true, low: 0.4, high: 0.4 } };
    const lora = { scale: SCALE };
    const optimizer = tf.train.sgd(1);
    model.dispose();
    model = new LoraModel(3);
    const { weights } = model;
    const guard = await attach(optimizer, {
      weights,
      references: [],
      lora,
      config: { ...EVERY_STEP, steering },
    });
    const log = eventLog(guard);
    const start = model.trained.map((variable) => variable.dataSync().slice());
    const s = 0.4;
    const expected = tf.tidy(() => {
      const plain = tf.variableGrads(model.loss, model.trained).grads;
      // L as a function of B with s B in its place, by hand; the bias stands at its base.
      const there = [model.kernelB, model.weightB];
      const kept = there.map((variable) => variable.clone());
      there.forEach((variable, i) => {
        variable.assign(tf.mul(kept[i], s));
      });
      const moved = tf.variableGrads(model.loss, model.trained).grads;
      there.forEach((variable, i) => {
        variable.assign(kept[i]);
      });
      return model.trained.map(({ name }) => {
        const isScaled = [model.kernelB, model.weightB, model.bias].some((each) => each.name === name);
        return tf.add(plain[name], tf.mul(moved[name], isScaled ? s : 1)).dataSync();
      });
    });
    optimizer.minimize(model.loss, false, model.trained);
    await tf.nextFrame();
    await guard.detach();
    expect(log.titles).toEqual([]);
    model.trained.forEach((variable, i) => {
      variable.dataSync().forEach((value, j) => {
        expect(value, variable.name).toBeCloseTo(start[i][j] - expected[i][j], 5);
      });
    });
  });

  it('subspace leaves adapted matrices out, and says so', async () => {
    const steering = { subspace: { strength: 0.1 } };
    const references = referencesOf(model.base());
    const { weights } = model;
    const guard = await attach(tf.train.sgd(0.1), {
      weights,
      references,
      lora: { scale: SCALE },
      config: { ...EVERY_STEP, steering },
    });
    const log = eventLog(guard);
    await guard.detach();
    const [alert] = log.of('alert');
    expect(alert.title).toBe('A steering term can not be followed');
    expect(alert.text).toMatch(/LoRA adapter \(encoder\.q\.weight and 1 more\), and there is no other/);
  });

  it('and acts on the others', async () => {
    const steering = { subspace: { strength: 0.1 } };
    const references = referencesOf(model.base());
    const { 'encoder.k.weight': whole } = model.dense().weights;
    const weights = {
      ...Object.fromEntries(Object.entries(model.weights).filter(([name]) => !name.startsWith('encoder.k'))),
      'encoder.k.weight': whole,
    };
    const guard = await attach(tf.train.sgd(0.1), {
      weights,
      references,
      lora: { scale: SCALE },
      config: { ...EVERY_STEP, steering },
    });
    const log = eventLog(guard);
    await guard.detach();
    const [alert] = log.of('alert');
    expect(alert.title).toBe('A steering term acts on a part of the model');
    expect(alert.text).toBe('subspace does not act on matrices with a LoRA adapter (encoder.q.weight)');
  });
});
