import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type FoldWay, foldWays } from '../../../../hooks/tfjs/gradient-fold/index.js';
import { type BACKEND_NAMES, openBackend, surveyBackends } from '../../../../src/backend/index.js';
import { demanded } from '../../../backend/chosen.js';
import { type Fault, FoldCase } from './fold-case.js';

/** Float32, relative to the largest gradient. */
const TOLERANCE = 1e-6;

/** Lengths around those of blocks, workgroups and what one of them moves. */
const SIZES = [1, 3, 127, 128, 129, 255, 256, 257, 1000, 1024, 16385, 33000];

interface Plan {
  readonly sizes: readonly number[];
  readonly decay: number;
  /** of every step: what is wrong with it */
  readonly steps: readonly (readonly Fault[])[];
  /** see FlatLayout */
  readonly chunk?: number;
}

async function expectSame(folding: FoldCase): Promise<void> {
  const found = await folding.read();
  const { sums, remaining, nonFinite, step } = folding.expected();
  const tolerance = TOLERANCE * folding.largest;
  expect(found.counters[0]).toBeCloseTo(remaining, 6);
  expect(found.counters.slice(1)).toEqual([nonFinite, step]);
  expect(found.remaining).toBe(found.counters[0]);
  sums.forEach((sum, t) => {
    // So that a NaN does not pass.
    const wrong = sum.findIndex((value, i) => !(Math.abs(found.sums[t][i] - value) <= tolerance));
    expect(wrong, `tensor ${t}: ${found.sums[t][wrong]} instead of ${sum[wrong]}`).toBe(-1);
  });
  expect(found.padding.every((value) => value === 0)).toBe(true);
}

async function check(way: FoldWay, { sizes, decay, steps, chunk }: Plan): Promise<void> {
  const folding = new FoldCase(way, { sizes, decay, chunk });
  steps.forEach((faults, s) => {
    folding.fold(faults, 3 * s + 2);
  });
  await expectSame(folding);
  folding.dispose();
}

function contract(backend: string, name: string): void {
  describe(`the fold of gradients on ${backend}, ${name}`, () => {
    let way: FoldWay;
    beforeAll(async () => {
      await openBackend(backend as (typeof BACKEND_NAMES)[number]);
      way = foldWays().find((each) => each.name === name)!;
    });

    it.each([0, 0.5, 0.99])(
      'gives the sums of a float64 loop, and leaves the gradients alone: decay %d',
      async (decay) => {
        await check(way, { sizes: SIZES, decay, steps: new Array(3).fill([]) });
      },
    );

    it('begins with nothing', async () => {
      await check(way, { sizes: [5, 128], decay: 0.9, steps: [] });
    });

    it('is the same in several chunks', async () => {
      const plan = { sizes: SIZES, decay: 0.9, chunk: 2048 };
      await check(way, { ...plan, steps: [[], [], []] });
      await check(way, { ...plan, steps: [[], [{ tensor: 11, at: 32999, value: Number.NaN }], []] });
      await check(way, { ...plan, steps: [[], [{ tensor: 0, at: 0, value: Infinity }], []] });
    });

    it.each([Number.NaN, Infinity, -Infinity])('%d anywhere leaves all of it out', async (value) => {
      const sizes = [1, 129, 1000, 16385];
      const folding = new FoldCase(way, { sizes, decay: 0.9 });
      folding.fold([], 0);
      for (const [tensor, size] of sizes.entries()) {
        for (const at of new Set([0, size >> 1, size - 1])) {
          folding.fold([{ tensor, at, value }], 1);
        }
      }
      await expectSame(folding);
      folding.fold([], 2);
      await expectSame(folding);
      folding.dispose();
    });

    it('takes a missing gradient for zeros, also where all are missing', async () => {
      const missing = (tensor: number): Fault => ({ tensor, at: 0, value: null });
      const sizes = [300, 5, 20000];
      await check(way, { sizes, decay: 0.9, steps: [[], [missing(2)], [missing(0), missing(1)], []] });
      await check(way, { sizes, decay: 0.9, steps: [[], [0, 1, 2].map(missing)] });
      await check(way, {
        sizes,
        decay: 0.9,
        steps: [[], [missing(0), { tensor: 1, at: 4, value: Number.NaN }], []],
      });
    });

    it('takes huge gradients that are finite', async () => {
      const huge = [0, 1].map((at): Fault => ({ tensor: 0, at, value: at === 0 ? 3.4e38 : -3.4e38 }));
      await check(way, { sizes: [40, 3], decay: 0, steps: [huge] });
      await check(way, { sizes: [40, 3], decay: 0.5, steps: [huge, huge] });
    });

    it('a rehearsal leaves everything as it was, whatever the weights are', async () => {
      const folding = new FoldCase(way, { sizes: [300, 5], decay: 0.9 });
      folding.rehearse();
      await expectSame(folding);
      folding.fold([], 4);
      folding.spoil(1, Number.NaN);
      folding.rehearse();
      await expectSame(folding);
      folding.fold([], 5);
      await expectSame(folding);
      folding.dispose();
    });

    it('counters that were taken stay as they were', async () => {
      const folding = new FoldCase(way, { sizes: [300], decay: 0.5 });
      folding.fold([], 7);
      const taken = folding.counters();
      folding.fold([{ tensor: 0, at: 1, value: Number.NaN }], 8);
      folding.fold([], 9);
      expect([...(await taken.data())]).toEqual([0.5, 0, 7]);
      taken.dispose();
      folding.dispose();
    });

    it('grows by nothing in 50 folds, and leaves nothing behind', async () => {
      const before = { ...tf.memory() };
      const folding = new FoldCase(way, { sizes: [1000, 81, 3], decay: 0.9, chunk: 512 });
      const faults: Fault[][] = [
        [],
        [{ tensor: 1, at: 0, value: null }],
        [{ tensor: 2, at: 2, value: Number.NaN }],
      ];
      faults.forEach((each, s) => {
        folding.fold(each, s);
      });
      await folding.read();
      const { numTensors, numBytes } = tf.memory();
      for (let step = 3; step < 53; step++) {
        folding.fold(faults[step % 3], step);
      }
      await expectSame(folding);
      expect(tf.memory()).toMatchObject({ numTensors, numBytes });
      folding.dispose();
      expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
    });

    it('holds for any sizes and steps', async () => {
      const plan = fc
        .array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 })
        .chain((sizes) => {
          const fault = fc.record({
            tensor: fc.nat(sizes.length - 1),
            at: fc.nat(),
            value: fc.constantFrom(null, null, 0.1, Number.NaN, Infinity, -Infinity),
          });
          return fc.record({
            sizes: fc.constant(sizes),
            decay: fc.constantFrom(0, 0.3, 0.9, 0.999),
            steps: fc.array(fc.oneof(fc.constant([]), fc.array(fault, { maxLength: 3 })), { maxLength: 5 }),
            chunk: fc.constantFrom(128, 512, undefined),
          });
        });
      await fc.assert(
        fc.asyncProperty(plan, (each) => check(way, each)),
        { seed: 11, numRuns: 12 },
      );
    });
  });
}

for (const { name, opens, description } of await surveyBackends()) {
  if (demanded !== null && name !== demanded) {
    continue;
  }
  if (opens || name === demanded) {
    await openBackend(name);
    for (const way of foldWays()) {
      contract(name, way.name);
    }
  } else {
    it.skip(`the fold of gradients on ${name}, which does not open here: ${description}`, () => {});
  }
}
