import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { attach } from '../../../../hooks/tfjs/index.js';
import { memoryBudget } from '../../../../hooks/tfjs/reference-memory/index.js';
import { PlainSums } from '../../../../hooks/tfjs/tick-sums/plain-sums.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel, train } from '../guarded-loop.js';

beforeAll(() => openBackend('wasm'));

let model: SmallModel;
let references: readonly Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights, ['one', 'two', 'three']);
  return () => model.dispose();
});

async function watched(deviceMemory: number | 'auto') {
  const optimizer = tf.train.sgd(0.1);
  const config = { ...EVERY_STEP, tap: { every: 1, foldStride: 1, deviceMemory } };
  const guard = await attach(optimizer, { weights: model.weights, references, config });
  const log = eventLog(guard);
  await train(model, optimizer, 5);
  await guard.detach();
  return log;
}

describe('a run whose references the device has no room for', () => {
  it('says in hello what is needed, what there is and how often each is watched, and in ticks since when a pair is of', async () => {
    const log = await watched(0);
    const [{ references: told }] = log.of('hello');
    for (const { limits } of told) {
      expect(limits).toContainEqual(
        'all 3 references need 0.0 MiB of the device, their budget is 0.0 MiB (tap.deviceMemory): this one lies in main memory and is copied over to be compared at about every 3 ticks, until its score is among the lowest; its subspaces are of every tick',
      );
    }
    const older = log.of('tick').map(({ pairs }) => pairs.map(({ measuredAt }) => measuredAt ?? null));
    expect(older).toEqual([
      [null, null, null],
      [1, 1, null],
      [null, 1, 2],
      [3, null, 2],
      [null, null, null],
    ]);
    expect(log.titles).toEqual([]);
  });

  it('has compared them in all groups before training begins, since each kind of group may have to be compiled', async () => {
    // The last one is of a kind of its own.
    const all = await referencesFor(model.weights, ['one', 'two', 'three', 'four', 'five']);
    references = all.map((reference, r) => (r < 4 ? reference : { ...reference, gradient: null }));
    const measure = vi.spyOn(PlainSums.prototype, 'measure');
    try {
      const kinds = () =>
        new Set(
          measure.mock.calls.map(([, , group]) => group.map((r) => references[r].gradient !== null).join()),
        );
      const optimizer = tf.train.sgd(0.1);
      const config = { ...EVERY_STEP, tap: { every: 1, foldStride: 1, deviceMemory: 0 } };
      const guard = await attach(optimizer, { weights: model.weights, references, config });
      const rehearsed = kinds();
      await train(model, optimizer, 8);
      await guard.detach();
      expect(rehearsed).toEqual(kinds());
      expect(rehearsed).toEqual(new Set(['true', 'false']));
    } finally {
      measure.mockRestore();
    }
  });

  it('and nothing of it where there is room', async () => {
    const log = await watched('auto');
    expect(
      log
        .of('hello')[0]
        .references.flatMap(({ limits }) => limits)
        .join(),
    ).not.toContain('budget');
    const pairs = log.of('tick').flatMap((tick) => tick.pairs);
    expect(pairs.some((pair) => 'measuredAt' in pair)).toBe(false);
  });

  it('has the same metrics at the ticks that compare a pair', async () => {
    const log = await watched(0);
    const [first] = [model];
    model = new SmallModel();
    first.dispose();
    const whole = await watched('auto');
    log.of('tick').forEach((tick, i) => {
      tick.pairs.forEach((pair, r) => {
        if (pair.measuredAt === undefined) {
          expect(pair).toEqual(whole.of('tick')[i].pairs[r]);
        }
      });
    });
  });
});

describe('the budget', () => {
  it('is what the configuration says, else a quarter of the device’s memory, with where that is from', async () => {
    expect(await memoryBudget(96)).toEqual({ bytes: 96 * 2 ** 20, source: 'tap.deviceMemory' });
    expect(await memoryBudget('auto')).toEqual({
      bytes: 2 ** 30,
      source: 'a quarter of 4096 MiB, the heap of the wasm backend',
    });
  });
});
