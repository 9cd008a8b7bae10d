import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type SumsWay, sumsWays } from '../../../../hooks/tfjs/tick-sums/index.js';
import { type BACKEND_NAMES, openBackend, surveyBackends } from '../../../../src/backend/index.js';
import { demanded } from '../../../backend/chosen.js';
import { type CaseOptions, SumsCase } from './sums-case.js';

/** Float32, blockwise or as a tree. */
const TOLERANCE = 2e-6;

/** Lengths around those of blocks, vectors of four, workgroups and what one of them adds up. */
const SIZES = [1, 3, 127, 128, 129, 255, 256, 257, 1000, 1024, 8191, 8192, 8193, 20000];

function expectSums(found: number[][], { sums, scales }: ReturnType<SumsCase['expected']>): void {
  found.forEach((rows, t) => {
    rows.forEach((value, row) => {
      const [wanted, scale] = [sums[t][row], scales[t][row]];
      const place = `tensor ${t}, row ${row}: ${value} instead of ${wanted}`;
      if (Number.isNaN(wanted)) {
        expect(value, place).toBeNaN();
      } else {
        expect(Math.abs(value - wanted), place).toBeLessThanOrEqual(TOLERANCE * scale);
      }
    });
  });
}

async function check(way: SumsWay, options: CaseOptions, watched?: readonly number[]): Promise<void> {
  const models = new SumsCase(options);
  const order = watched ?? options.references.map((_, r) => r);
  expectSums(await models.measured(way, order), models.expected(order));
  models.dispose();
}

function contract(backend: string, name: string): void {
  describe(`the sums of a tick on ${backend}, ${name}`, () => {
    let way: SumsWay;
    beforeAll(async () => {
      await openBackend(backend as (typeof BACKEND_NAMES)[number]);
      way = sumsWays().find((each) => each.name === name)!;
    });

    it.each([0, 1, 3, 6])('are those of float64 loops, with %i references', async (count) => {
      await check(way, { sizes: SIZES, references: new Array(count).fill(true) });
    });

    it('are of those references that are watched, in the order asked for', async () => {
      const options = { sizes: [300, 5], references: [true, false, true, true, true, true] };
      await check(way, options, [4, 0, 1]);
      await check(way, options, [5, 1, 3, 2, 0, 4]);
      await check(way, options, [1]);
      await check(way, options, []);
    });

    it('need no gradients: of references, of the run, nor before the first fold', async () => {
      const mixed = [false, true, false, true];
      await check(way, { sizes: [300, 5], references: mixed });
      await check(way, { sizes: [300, 5], references: [false, false] });
      await check(way, { sizes: [300, 5], references: mixed, hasGradients: false });
      await check(way, { sizes: [300, 5], references: mixed, folds: 0 });
    });

    it('are the same in several chunks', async () => {
      await check(way, { sizes: SIZES, references: [true, false, true], chunk: 2048 });
    });

    it('take the task vectors of adapters', async () => {
      await check(way, { sizes: [[5, 7], 40, [64, 64], 129, [1, 3]], references: [true, true] });
    });

    it.each([Number.NaN, Infinity, -Infinity])('%d in a tensor spoils its own sums alone', async (value) => {
      const models = new SumsCase({ sizes: [40, 9000, 128, 7], references: [true, true] });
      await models.spoil(1, 8500, value);
      await models.spoil(3, 0, value);
      expectSums(await models.measured(way, [0, 1]), models.expected([0, 1]));
      models.dispose();
    });

    it('are NaN where they are too large for float32', async () => {
      const models = new SumsCase({ sizes: [40, 128], references: [true] });
      await models.spoil(0, 3, 3e38);
      const [[tau, gradient], [other]] = await models.measured(way, [0]);
      expect(tau).toBeNaN();
      expect(gradient).toBeGreaterThan(0);
      expect(other).toBeGreaterThan(0);
      models.dispose();
    });

    it('a reference that is met exactly is at distance 0', async () => {
      const models = new SumsCase({ sizes: [1000, 3], references: [true, true] });
      await models.meet(1, 0);
      const found = await models.measured(way, [0, 1]);
      expectSums(found, models.expected([0, 1]));
      const at = 2 + 4 + 1;
      expect(found[0][at]).toBe(0);
      expect(found[1][at]).toBeGreaterThan(0);
      models.dispose();
    });

    it('leave nothing behind, however often they are taken', async () => {
      const before = { ...tf.memory() };
      const models = new SumsCase({ sizes: [1000, [9, 9], 3], references: [true, false, true], chunk: 512 });
      const sums = way.make(models.sources);
      await models.read(sums, [0, 1, 2]);
      await models.read(sums, [2]);
      const { numTensors, numBytes } = tf.memory();
      for (let repeat = 0; repeat < 3; repeat++) {
        await models.read(sums, [0, 1, 2]);
        await models.read(sums, [2]);
      }
      expect(tf.memory()).toMatchObject({ numTensors, numBytes });
      sums.dispose();
      models.dispose();
      expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
    });

    it('hold for any sizes and references', async () => {
      const size = fc.oneof(
        fc.integer({ min: 1, max: 700 }),
        fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(size, { minLength: 1, maxLength: 9 }),
          fc.array(fc.boolean(), { maxLength: 6 }),
          fc.integer({ min: 0, max: 2 }),
          fc.constantFrom(128, 512, undefined),
          fc.nat(99),
          (sizes, references, folds, chunk, seed) => check(way, { sizes, references, folds, chunk, seed }),
        ),
        { seed: 7, numRuns: 12 },
      );
    });
  });
}

/** Ways that a backend has to have, or they would go untested. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  webgpu: ['kernels'],
  // A binding that was built before there were functions has to be built again.
  tensorflow: ['function', 'compiled'],
};

for (const { name, opens, description } of await surveyBackends()) {
  if (demanded !== null && name !== demanded) {
    continue;
  }
  if (opens || name === demanded) {
    await openBackend(name);
    const ways = sumsWays().map((way) => way.name);
    it(`${name} has all its ways of taking sums`, () => {
      expect([...ways].sort()).toEqual([...(WAYS[name] ?? []), 'plain'].sort());
    });
    for (const way of ways) {
      contract(name, way);
    }
  } else {
    it.skip(`the sums of a tick on ${name}, which does not open here: ${description}`, () => {});
  }
}
