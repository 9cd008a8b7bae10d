import { getEventListeners } from 'node:events';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesInFlight, MEMORY, measurePairs } from '../../src/at-rest/measure.js';
import type { LowRank, ModelAtRest } from '../../src/at-rest/model.js';
import type { NamedCheckpoint, Values } from '../../src/at-rest/named-checkpoint.js';
import { tensorSums } from '../../src/at-rest/tensor-sums.js';
import { Workers } from '../../src/at-rest/workers.js';

const workers = new Workers(1);
afterAll(() => workers.close());

type Tau = ModelAtRest['tau'];

const modelOf = (kind: { tau?: Tau; factors?: LowRank; parts?: null }): ModelAtRest =>
  ({
    name: 'm',
    form: () => (kind.factors === undefined ? 'dense' : 'low-rank'),
    tau: kind.tau,
    factors: async () => kind.factors,
    storedParts: async () => undefined,
  }) as unknown as ModelAtRest;

const baseOf = (read: (name: string) => Promise<Values>) => ({ read }) as unknown as NamedCheckpoint;

const pause = (milliseconds = 0) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('memory', () => {
  const MIB = 2 ** 20;

  it('holds two of the largest matrices of a ViT-B/16 pair, whatever the precision', () => {
    for (const precise of [false, true]) {
      expect(2 * bytesInFlight({ name: 'w', shape: [3072, 768] }, 2, precise)).toBeLessThanOrEqual(MEMORY);
    }
  });

  it('counts every model, by stretches where there are many values', () => {
    const [small, large] = [
      { name: 'w', shape: [1000] },
      { name: 'w', shape: [2 ** 26] },
    ];
    expect(bytesInFlight(small, 20, false)).toBe(4 * 21 * 1000);
    expect(bytesInFlight(small, 20, true)).toBe(8 * 21 * 1000);
    // 32 MiB of the models, whatever their number, and one model's share of the base.
    expect(bytesInFlight(large, 2, false)).toBe(48 * MIB);
    expect(bytesInFlight(large, 16, false)).toBe(34 * MIB);
    // A matrix is decomposed whole, beside the base's.
    expect(bytesInFlight({ name: 'w', shape: [2 ** 13, 2 ** 13] }, 16, false)).toBe(2 * 4 * 2 ** 26);
  });

  it('bounds what is read of many models at a time', async () => {
    const size = 2 ** 18;
    const models = 24;
    const tensors = Array.from({ length: 16 }, (_, i) => ({ name: `w${i}`, shape: [size] }));
    const begun = new Set<string>();
    const done = new Set<string>();
    let most = 0;
    const tau: Tau = async (name, range) => {
      begun.add(name);
      most = Math.max(most, begun.size - done.size);
      await pause();
      return new Float32Array(range!.count);
    };
    await measurePairs({
      base: null,
      models: Array.from({ length: models }, () => modelOf({ tau })),
      pairs: [[0, 1]],
      tensors,
      workers,
      slow: false,
      precise: false,
      onProgress: () => done.add([...begun].find((name) => !done.has(name))!),
    });
    expect(done.size).toBe(16);
    expect(most).toBeGreaterThan(1);
    expect(most * 4 * models * size).toBeLessThanOrEqual(MEMORY);
  });
});

describe('the base', () => {
  const tensor = { name: 'w', shape: [2, 3] };
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  beforeEach(() => void process.on('unhandledRejection', note));
  afterEach(() => void process.off('unhandledRejection', note));

  it('is not read for models that do not ask for it', async () => {
    const tau: Tau = async (_, range) => new Float32Array(range!.count).fill(1);
    const base = baseOf(() => Promise.reject(new Error('it was read')));
    const models = [modelOf({ tau }), modelOf({ tau })];
    const sums = await tensorSums(tensor, models, [[0, 1]], base, workers);
    expect([...sums.dots]).toEqual([6]);
  });

  it('is read once for all that do', async () => {
    let reads = 0;
    const base = baseOf(async () => {
      reads += 1;
      return new Float32Array(6).fill(1);
    });
    const tau: Tau = async (_, __, ofBase) => Float32Array.from(await ofBase(), (value) => 3 - value);
    const sums = await tensorSums(tensor, [modelOf({ tau }), modelOf({ tau })], [[0, 1]], base, workers);
    expect([reads, ...sums.dots]).toEqual([1, 24]);
  });

  it('that can not be read fails the call, and nothing beside it', async () => {
    const base = baseOf(() => Promise.reject(new Error('the base is gone')));
    const tau: Tau = async (_, __, ofBase) => {
      // The model's own values take longer than the base does to fail.
      await pause(20);
      return ofBase();
    };
    const run = tensorSums(tensor, [modelOf({ tau }), modelOf({ tau })], [[0, 1]], base, workers);
    await expect(run).rejects.toThrow('the base is gone');
    await pause(5);
    expect(unhandled).toEqual([]);
  });
});

describe('a dense task vector among low-rank ones', () => {
  it('is read once for all of them', async () => {
    const whole: number[] = [];
    const dense = (factor: number) =>
      modelOf({
        tau: async (_, range) => {
          if (range === undefined) whole.push(factor);
          return Float32Array.from({ length: range?.count ?? 6 }, (_, i) => factor * i);
        },
      });
    const low = (value: number) =>
      modelOf({
        factors: { rank: 1, left: Float32Array.of(value, 1), right: Float32Array.of(1, 2, 0) },
      });
    const models = [low(1), dense(1), low(2), dense(2), low(3)];
    const pairs = models.flatMap((_, a) => models.slice(a + 1).map((_, i) => [a, a + 1 + i] as const));
    const sums = await tensorSums({ name: 'w', shape: [2, 3] }, models, pairs, null, workers);
    expect(whole).toEqual([1, 2]);
    const values = [1, 2, 3].map((value) => [value, 2 * value, 0, 1, 2, 0]);
    const all = [values[0]!, [0, 1, 2, 3, 4, 5], values[1]!, [0, 2, 4, 6, 8, 10], values[2]!];
    pairs.forEach(([a, b], p) => {
      const [one, other] = [all[a]!, all[b]!];
      expect(sums.dots[p]).toBeCloseTo(
        one.reduce((sum, value, i) => sum + value * other[i]!, 0),
        10,
      );
      expect(sums.distances[p]).toBeCloseTo(
        one.reduce((sum, value, i) => sum + (value - other[i]!) ** 2, 0),
        10,
      );
    });
  });
});

describe('workers and the signal that stops them', () => {
  const matrix = () => ({ rows: 2, columns: 2, data: Float32Array.of(1, 2, 3, 4) });
  const options = { k: 1, bottom: false, precise: false };

  it('leave no listener behind', async () => {
    const { signal } = new AbortController();
    for (let i = 0; i < 3; i++) {
      const some = new Workers(1, signal);
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      await some.close();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }
  });

  it('take no work where it was aborted before, or is aborted meanwhile', async () => {
    const late = new Workers(1, AbortSignal.abort());
    await expect(late.parts(matrix(), options, 'w')).rejects.toThrow('w: the thread pool is closed');
    const controller = new AbortController();
    const stopped = new Workers(1, controller.signal);
    const work = stopped.parts(matrix(), options, 'w');
    controller.abort();
    await expect(work).rejects.toThrow('w: the thread pool was closed before it was done');
  });
});
