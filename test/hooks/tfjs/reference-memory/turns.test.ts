import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceStatistics, TickStatistics } from '../../../../hooks/tfjs/statistics.js';
import { openBackend } from '../../../../src/backend/index.js';
import { PAIR, PAIR_WIDTH, SIDE, SIDE_WIDTH, TURN_WIDTH } from '../../../../src/metrics/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import { chosen } from '../../../backend/chosen.js';
import {
  assignAll,
  deviceStatistics,
  disposeAll,
  gradientMap,
  randomTensors,
  referenceOf,
  SHAPES,
  sharedTensors,
  sum,
} from '../random-models.js';

const COUNT = 5;
const base = randomTensors(SHAPES, 0.5, 'base');

beforeAll(() => openBackend(chosen));

let references: readonly Reference[];
let nothing: tf.Tensor1D;
beforeEach(() => {
  references = Array.from({ length: COUNT }, (_, r) =>
    referenceOf(
      `reference-${r}`,
      base,
      randomTensors(SHAPES, 0.1, 'tau', r),
      // The last one has none, and takes half the room.
      r < COUNT - 1 ? randomTensors(SHAPES, 0.01, 'reference gradient', r) : null,
    ),
  );
  nothing = tf.zeros([1]);
  return () => nothing.dispose();
});

/** The same training, of which ticks are taken with these bytes for the references; `between` comes before each. */
async function ticks(
  referenceBytes: number,
  steps: number,
  options: {
    wholeAt?: readonly number[];
    between?: (statistics: DeviceStatistics, step: number) => void;
  } = {},
): Promise<TickStatistics[]> {
  const tensors = sharedTensors(SHAPES, base);
  const before = tf.memory();
  // Chunks of a few tensors each: what is streamed comes in pieces.
  const statistics = deviceStatistics(tensors, references, { referenceBytes, chunk: 512 });
  const found: TickStatistics[] = [];
  for (let step = 1; step <= steps; step++) {
    assignAll(tensors, sum(base, randomTensors(SHAPES, 0.02 * step, 'live', step)));
    const gradients = gradientMap(tensors, randomTensors(SHAPES, 0.01, 'gradient', step));
    statistics.gradients!.fold(gradients, step);
    tf.dispose(gradients);
    options.between?.(statistics, step);
    const packed = statistics.measure(nothing, options.wholeAt?.includes(step));
    found.push(statistics.read((await packed.data()) as Float32Array, step).statistics);
    packed.dispose();
  }
  statistics.dispose();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  tf.dispose(tensors.map(({ variable }) => variable));
  return found;
}

/** Task-vector and gradient numbers of a pair, and the live lengths that go with them, tensor by tensor. */
function numbersOf({ pair, live, turns, tensors }: TickStatistics, r: number): number[] {
  return tensors.flatMap((_, t) => {
    const cell = r * tensors.length + t;
    const sides = turns
      ? turns.live.subarray(cell * TURN_WIDTH, (cell + 1) * TURN_WIDTH)
      : live.subarray(t * SIDE_WIDTH, t * SIDE_WIDTH + 2);
    return [...pair.subarray(cell * PAIR_WIDTH, cell * PAIR_WIDTH + PAIR.leftTop), ...sides];
  });
}

/** Overlaps of subspaces, of all pairs, and the live model's own numbers. */
function othersOf({ pair, live, tensors }: TickStatistics): number[] {
  return [
    ...tensors.flatMap((_, t) => [...live.subarray(t * SIDE_WIDTH, t * SIDE_WIDTH + SIDE.bottomK)]),
    ...Array.from({ length: COUNT * tensors.length }, (_, cell) => [
      ...pair.subarray(cell * PAIR_WIDTH + PAIR.leftTop, cell * PAIR_WIDTH + PAIR.spectrum),
    ]).flat(),
  ];
}

const bytesOf = (shapes: typeof SHAPES) => {
  const tensors = sharedTensors(shapes, base);
  const statistics = deviceStatistics(tensors, references);
  const { sizes } = statistics.store;
  disposeAll(statistics, tensors);
  return sizes;
};

describe('references that take turns', () => {
  it.each([
    ['none lies on the device', 0, 5],
    ['two lie there', 2.5, 3],
  ])(
    'have the same numbers as on the device, at the ticks that compare them: %s',
    async (_, share, period) => {
      const steps = 12;
      const [size] = bytesOf(SHAPES);
      const resident = await ticks(Number.POSITIVE_INFINITY, steps);
      const streamed = await ticks(share * size, steps, { wholeAt: [1, steps] });
      expect(resident.every(({ turns }) => turns === undefined)).toBe(true);
      const last = new Array<number>(COUNT).fill(0);
      streamed.forEach((found, i) => {
        expect(found.turns === undefined, `step ${found.step}`).toBe(i === 0 || i === steps - 1);
        expect(othersOf(found)).toEqual(othersOf(resident[i]));
        for (let r = 0; r < COUNT; r++) {
          const at = found.turns ? found.turns.measuredAt[r]! : found.step;
          expect(found.step - at).toBeLessThan(period + 1);
          expect(at).toBeGreaterThanOrEqual(last[r]);
          last[r] = at;
          // All of it as it was then.
          expect(numbersOf(found, r), `${r} at step ${found.step}`).toEqual(numbersOf(resident[at - 1], r));
        }
      });
      const compared = streamed.map(
        ({ step, turns }) => turns?.measuredAt.filter((at) => at === step).length ?? COUNT,
      );
      const each = share === 0 ? 1 : 3;
      expect(compared.slice(1, -1)).toEqual(new Array(steps - 2).fill(each));
    },
  );

  it('are NaN before their first turn', async () => {
    const [first] = await ticks(0, 1);
    expect(first.turns!.measuredAt).toEqual([1, null, null, null, null]);
    expect(numbersOf(first, 0).every(Number.isFinite)).toBe(true);
    expect(numbersOf(first, 1).every(Number.isNaN)).toBe(true);
  });

  it('come to lie on the device when their scores are lowest, one a tick, and are given up for it', async () => {
    const [size] = bytesOf(SHAPES);
    const residents: string[] = [];
    const scored = [0.9, 0.95, 0.5, 0.9, 0.4];
    await ticks(2.5 * size, 6, {
      between({ store }, step) {
        residents.push(store.parts.map(({ tau }) => (tau.isOnDevice ? 'X' : '.')).join(''));
        if (step > 1) {
          const score = (value: number) => ({ value }) as never;
          store.follow(
            references.map(({ name }, r) => ({
              reference: name,
              metrics: {},
              reasons: {},
              scores: [score(1), score(scored[r]), score(null as never)],
            })),
          );
        }
      },
    });
    expect(residents).toEqual(['.....', 'XX...', 'X...X', '..X.X', '..X.X', '..X.X']);
  });

  it('take no more of the device than may be, but for a chunk of one at a time', async () => {
    const [size] = bytesOf(SHAPES);
    const tensors = sharedTensors(SHAPES, base);
    const statistics = deviceStatistics(tensors, references, { referenceBytes: 2.5 * size, chunk: 512 });
    const take = async () => {
      const packed = statistics.measure(nothing);
      statistics.read((await packed.data()) as Float32Array, 1);
      packed.dispose();
    };
    const before = tf.memory().numBytes;
    await take();
    // Beside the trackers' few numbers.
    expect(tf.memory().numBytes - before).toBeGreaterThanOrEqual(2 * size);
    expect(tf.memory().numBytes - before).toBeLessThan(2.2 * size);
    await take();
    const { numTensors, numBytes } = tf.memory();
    for (let tick = 0; tick < 7; tick++) {
      await take();
      expect(tf.memory()).toMatchObject({ numTensors, numBytes });
    }
    disposeAll(statistics, tensors);
  });
});
