import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import { type Reference, tauOf } from '../../../../src/reference/index.js';
import { elementCount } from '../../../../src/tensors/index.js';
import { chosen } from '../../../backend/chosen.js';
import { eventLog, SmallModel, train } from '../guarded-loop.js';
import { LoraModel, referencesOf, SCALE } from '../lora-model.js';
import { calibrationOf, heldOut, PROBED, predictWith, probedReferences } from '../probed-loop.js';

beforeAll(() => openBackend(chosen));

describe('a live model with LoRA adapters', () => {
  it('is probed as the same model trained in full, and left as it was', async () => {
    const model = new LoraModel();
    const values = () => model.variables.map((variable) => [...variable.dataSync()]);
    const base = model.base();
    const references = referencesOf(base);
    const config = { ...PROBED, mergeProbe: { methods: ['weight_avg', 'ties'] } };
    const probes = async (
      options: Pick<AttachOptions, 'weights' | 'calibration' | 'lora' | 'base'>,
      move = () => {},
    ) => {
      const guard = await attach(tf.train.sgd(0.1), { references, config, ...options });
      move();
      const log = eventLog(guard);
      await guard.detach();
      expect(log.titles).toEqual([]);
      return log.of('probe').map(({ time, run, ...probe }) => probe);
    };
    const before = values();
    const adapted = await probes({
      weights: model.weights,
      calibration: model.calibration,
      lora: { scale: SCALE },
      base,
    });
    expect(values()).toEqual(before);
    const { move, ...dense } = model.dense();
    const full = await probes(dense, move);
    expect(adapted).toHaveLength(4);
    adapted.forEach((probe, p) => {
      const { loss, lossStandardError, tasks, best, ...exact } = probe;
      expect(full[p]).toMatchObject(exact);
      expect(full[p].loss).toBeCloseTo(loss, 4);
      expect(full[p].best!.coefficient).toBe(best!.coefficient);
      expect(full[p].best!.loss).toBeCloseTo(best!.loss, 4);
      expect(full[p].tasks!.live.ownLoss).toBeCloseTo(tasks!.live.ownLoss!, 4);
      expect(full[p].tasks!.reference.ownLoss).toBeCloseTo(tasks!.reference.ownLoss!, 4);
    });
    model.dispose();
  });
});

describe('where something goes wrong', () => {
  let model: SmallModel;
  let references: Reference[];
  const samples = heldOut(7, 50);
  beforeEach(async () => {
    model = new SmallModel();
    references = await probedReferences(model);
    return () => model.dispose();
  });

  const options = (): AttachOptions => ({
    weights: model.weights,
    references,
    calibration: { ...calibrationOf(model, samples), predictWith: predictWith(model) },
    config: PROBED,
  });

  it('NaN in the live weights makes no probe, and the rule that tells of it is enough', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    await train(model, optimizer, 3);
    tf.tidy(() => model.bias.assign(tf.fill([12], Number.NaN)));
    const before = log.of('probe').length;
    await guard.detach();
    expect(log.of('probe')).toHaveLength(before);
    expect(log.of('alert').map(({ rule }) => rule)).toEqual(['nonFinite']);
  });

  it('scores that are not finite are told once a reference', async () => {
    let isMerged = () => false;
    const batch = options().calibration!;
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, {
      ...options(),
      config: { ...PROBED, selfProbe: { enabled: false } },
      calibration: {
        ...batch,
        // Of the live model alone they are finite.
        predict: (inputs) => tf.mul(model.predict(inputs), isMerged() ? Number.NaN : 1),
      },
    });
    const log = eventLog(guard);
    tf.tidy(() => model.bias.assign(tf.add(model.bias, 0.1)));
    const live = JSON.stringify(model.values());
    isMerged = () => JSON.stringify(model.values()) !== live;
    await guard.detach();
    expect(log.of('probe')).toEqual([]);
    const texts = log.of('alert').map(({ title, text }) => `${title}: ${text}`);
    expect(texts).toEqual(
      ['one', 'two'].map(
        (name) =>
          `The slow lane (merges) failed; training goes on: the live model merged with ${name} by weight_avg scores NaN or infinite values: its loss is NaN`,
      ),
    );
  });

  it.each([false, true])('a model that can not be asked any more (strict: %s)', async (strict) => {
    let isBroken = false;
    const batch = options().calibration!;
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const guard = await attach(optimizer, {
      ...options(),
      config: { ...PROBED, strict, selfProbe: { enabled: false } },
      calibration: {
        ...batch,
        predictWith: (inputs, head) => {
          if (isBroken) {
            throw new Error('out of luck');
          }
          return predictWith(model)!(inputs, head);
        },
      },
    });
    const log = eventLog(guard);
    isBroken = true;
    await train(model, optimizer, 2);
    const values = model.values();
    const detaching = guard.detach();
    if (strict) {
      await expect(detaching).rejects.toThrow('out of luck');
    } else {
      await detaching;
      expect(log.titles).toEqual(['The slow lane (merges) failed; training goes on']);
      expect(log.of('end')[0].status).toBe('detached');
    }
    expect(model.values()).toEqual(values);
    tf.dispose(batch.inputs);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it('a merge that fails in its thread is told, goes to the next pair, and leaves nothing behind', async () => {
    const given = options();
    const [broken, sound] = await probedReferences(model, { names: ['broken', 'sound'] });
    for (const { data } of broken.tau.values()) {
      data.fill(Number.NaN);
    }
    const before = tf.memory().numTensors;
    const optimizer = tf.train.sgd(0.1);
    const config = { ...PROBED, slow: { enabled: false }, mergeProbe: { methods: ['tsv'] } };
    const guard = await attach(optimizer, { ...given, references: [broken, sound], config });
    const log = eventLog(guard);
    await train(model, optimizer, 2);
    await guard.detach();
    const told = log.of('alert').filter(({ title }) => title.startsWith('The slow lane'));
    expect(told.map(({ text }) => text)).toEqual([
      'the live model can not be merged with broken by tsv: hidden.weight: a matrix with the value NaN (at 0) has no singular values',
    ]);
    expect(log.of('probe').map(({ reference }) => reference)).toContain('sound');
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('detaching while a merge is under way gives everything back', async () => {
    const given = options();
    const before = tf.memory().numTensors;
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, given);
    await train(model, optimizer, 8);
    await guard.detach('failed');
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a tensor that is frozen here is merged all the same: the reference may have trained it', async () => {
    const frozen = { ...model.weights, 'hidden/bias': tf.variable(model.bias.clone(), false) };
    const bias = frozen['hidden/bias'];
    const seen: number[][] = [];
    const batch = {
      ...calibrationOf(model, samples),
      predict: (inputs: tf.Tensor) => {
        seen.push([...bias.dataSync()]);
        return model.predict(inputs);
      },
    };
    const values = [...bias.dataSync()];
    const guard = await attach(tf.train.sgd(0.1), { ...options(), weights: frozen, calibration: batch });
    await guard.detach();
    const tensor = { name: 'hidden.bias', shape: [12] };
    const { data } = tauOf(references[0], tensor);
    expect(elementCount(tensor.shape)).toBe(data.length);
    const merged = values.map((value, i) => Math.fround(value + Math.fround(data[i] / 2)));
    expect(seen).toContainEqual(merged);
    const isScaled = (bias: readonly number[]) =>
      bias.every((value, i) => Math.abs(value - (values[i] + (1.25 * data[i]) / 2)) < 1e-6);
    expect(seen.some(isScaled)).toBe(true);
    expect([...bias.dataSync()]).toEqual(values);
    tf.dispose([bias, batch.inputs]);
  });
});
