import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../../src/backend/index.js';
import {
  computePairMetrics,
  hostStatistics,
  METRICS,
  metric,
  type NumericTensors,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../../../src/metrics/index.js';
import type { Reference } from '../../../src/reference/index.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import {
  assignAll,
  complete,
  deviceStatistics,
  disposeAll,
  exactTau,
  gradientMap,
  RECIPE,
  randomTensors,
  referenceOf,
  SHAPES,
  type Shapes,
  settle,
  sharedTensors,
  sum,
} from './random-models.js';

beforeAll(() => openBackend(chosen));

interface Case {
  readonly shapes: Shapes;
  readonly seed: number;
  readonly liveGradient?: boolean;
  /** for each reference, whether it has a gradient */
  readonly references: readonly boolean[];
  readonly chunk?: number;
  readonly referenceBytes?: number;
}

/** The same models through the device and through the slow float64 reference. */
async function bothWays({
  shapes,
  seed,
  liveGradient = true,
  references: withGradient,
  chunk,
  referenceBytes,
}: Case): Promise<{
  device: PairStatistics;
  host: PairStatistics;
}> {
  const base = randomTensors(shapes, 0.5, 'base', seed);
  const live = sum(base, randomTensors(shapes, 0.1, 'live', seed));
  const gradient = randomTensors(shapes, 0.01, 'gradient', seed);
  const references = withGradient.map((has, r) =>
    referenceOf(
      `reference-${r}`,
      base,
      randomTensors(shapes, 0.1, 'tau', seed, r),
      has ? randomTensors(shapes, 0.01, 'reference gradient', seed, r) : null,
    ),
  );
  const tensors = sharedTensors(shapes, base);
  const statistics = deviceStatistics(tensors, references, { chunk, referenceBytes });
  assignAll(tensors, live);
  if (liveGradient) {
    const gradients = gradientMap(tensors, gradient);
    statistics.gradients!.fold(gradients, 1);
    tf.dispose(gradients);
  }
  const device = complete(await settle(statistics));
  disposeAll(statistics, tensors);
  const side = (taskVector: NumericTensors, g: NamedTensors | null) => ({
    taskVector,
    ...(g && { gradient: { tensors: g, recipe: RECIPE } }),
  });
  const host = hostStatistics({
    live: side(exactTau(base, live), liveGradient ? gradient : null),
    references: references.map(({ name, tau, gradient: g }) => ({ name, ...side(tau, g) })),
  });
  return { device, host };
}

function expectSameMetrics({ device, host }: { device: PairStatistics; host: PairStatistics }): void {
  host.references.forEach((reference, r) => {
    const found = computePairMetrics(device, r);
    const expected = computePairMetrics(host, r);
    for (const { name } of METRICS.filter(({ lane }) => lane === 'fast')) {
      const [value, wanted] = [found[name].value, expected[name].value];
      if (wanted === null) {
        expect(value, `${reference} ${name}`).toBeNull();
      } else {
        expect(value, `${reference} ${name}: ${JSON.stringify(found[name])}`).not.toBeNull();
        const scale = Math.max(Math.abs(wanted), scaleOf(name, host, r));
        expect(Math.abs(value! - wanted) / scale, `${reference} ${name}: ${value}, ${wanted}`).toBeLessThan(
          1e-4,
        );
      }
    }
  });
}

/**
 * Below this a metric has no relative precision in float32, its terms have: a cosine or dot product near 0, and
 * ranks, which rest on the area that two nearly parallel vectors span.
 */
function scaleOf(name: string, statistics: PairStatistics, r: number): number {
  const { family } = metric(name);
  if (family === 'effective_rank') {
    return 1;
  }
  if (!name.includes('dot')) {
    return name.includes('cosine') ? 0.02 : 0;
  }
  const column = family === 'task_vector' ? SIDE.tauNorm : SIDE.gradientNorm;
  const count = statistics.tensors.length;
  let [live, ref] = [0, 0];
  for (let t = 0; t < count; t++) {
    live += statistics.live[t * SIDE_WIDTH + column];
    ref += statistics.ref[(r * count + t) * SIDE_WIDTH + column];
  }
  return 0.02 * Math.sqrt(live * ref);
}

describe('statistics on the device against float64 on the host', () => {
  it('agree for every metric of the fast lane: several references, some without gradients', async () => {
    expectSameMetrics(await bothWays({ shapes: SHAPES, seed: 1, references: [true, false, true] }));
  });

  it('agree cell by cell, left and right not swapped', async () => {
    const { device, host } = await bothWays({ shapes: SHAPES, seed: 2, references: [true] });
    const place = new Map(device.tensors.map(({ name }, t) => [name, t]));
    host.tensors.forEach(({ name, shape }, t) => {
      const at = place.get(name)!;
      expect(device.tensors[at].shape, name).toEqual(shape);
      // Without the slow lane's columns, which come last.
      const cell = (statistics: PairStatistics, index: number) => [
        ...statistics.pair.subarray(index * PAIR_WIDTH, index * PAIR_WIDTH + PAIR.spectrum),
        ...statistics.live.subarray(index * SIDE_WIDTH, index * SIDE_WIDTH + SIDE.bottomK),
        ...statistics.ref.subarray(index * SIDE_WIDTH, index * SIDE_WIDTH + SIDE.bottomK),
      ];
      const expected = cell(host, t);
      cell(device, at).forEach((value, i) => {
        const wanted = expected[i];
        // Sides of tensors that have no subspaces: 0 columns, or not measured.
        const same =
          Object.is(value, wanted) ||
          (Number.isNaN(value) && wanted === 0) ||
          Math.abs(value - wanted) <= 1e-4 * Math.abs(wanted) + 1e-6;
        expect(same, `${name}, number ${i}: ${value}, ${wanted}`).toBe(true);
      });
      if (shape.length === 2 && Math.min(...shape) > 10) {
        expect(expected[PAIR.leftTop]).not.toBeCloseTo(expected[PAIR.rightTop], 2);
      }
    });
  });

  it.each([1, 128, 1000])('agree in chunks of %i elements', async (chunk) => {
    expectSameMetrics(await bothWays({ shapes: SHAPES, seed: 3, references: [true, true], chunk }));
  });

  it.each([0, 20_000])('agree where references may take %i bytes of the device', async (referenceBytes) => {
    const shapes = { ...SHAPES, 'wide/kernel': [40, 50] };
    expectSameMetrics(await bothWays({ shapes, seed: 5, references: [true, true, false], referenceBytes }));
  });

  it('agree without a live gradient, and say that it is missing', async () => {
    const both = await bothWays({ shapes: SHAPES, seed: 4, references: [true], liveGradient: false });
    expectSameMetrics(both);
    expect(both.device.gradient).toBeNull();
    expect(both.device.absent.gradient).toMatch(/no gradient of the live model/);
  });

  it('agree for random shapes, stored both ways', async () => {
    const size = fc.integer({ min: 1, max: 22 });
    const stored = fc.oneof(
      fc.constant([] as number[]),
      fc.tuple(fc.integer({ min: 1, max: 400 })),
      fc.tuple(size, size),
      fc.tuple(fc.constant(2), fc.constant(3), size, size),
    );
    const entry = fc.tuple(stored, fc.constantFrom('/kernel', '.weight', '/bias'));
    const shapesOf = (entries: [number[], string][]) =>
      Object.fromEntries([
        ...entries.map(([shape, ending], i) => [`layer${i}${ending}`, shape]),
        // Two vectors of one number each are parallel, and what rests on their angle is rounding.
        ['some/bias', [20]],
      ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { minLength: 1, maxLength: 4 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 0, max: 1000 }),
        async (entries, references, chunk, seed) => {
          expectSameMetrics(await bothWays({ shapes: shapesOf(entries), seed, references, chunk }));
        },
      ),
      { seed: 7, numRuns: 12 },
    );
  });
});

describe('what is missing or not finite', () => {
  const base = randomTensors(SHAPES, 0.5, 'base');
  const tau = randomTensors(SHAPES, 0.1, 'tau');

  async function measured(
    references: Reference[],
    change: (live: Map<string, { shape: readonly number[]; data: Float32Array }>) => void = () => {},
  ): Promise<PairStatistics> {
    const tensors = sharedTensors(SHAPES, base);
    const statistics = deviceStatistics(tensors, references);
    const live = new Map(sum(base, randomTensors(SHAPES, 0.1, 'live')));
    change(live);
    assignAll(tensors, live);
    const gradients = gradientMap(tensors, randomTensors(SHAPES, 0.01, 'gradient'));
    statistics.gradients!.fold(gradients, 1);
    tf.dispose(gradients);
    const result = complete(await settle(statistics, 3));
    disposeAll(statistics, tensors);
    return result;
  }

  it('a reference with a gradient for some tensors only: those are measured, the metric names the others', async () => {
    const partial = new Map([...randomTensors(SHAPES, 0.01, 'g')].slice(0, 3));
    const found = await measured([referenceOf('partial', base, tau, partial)]);
    found.tensors.forEach(({ name }, t) => {
      const cell = found.pair.subarray(t * PAIR_WIDTH);
      const numbers = [cell[PAIR.gradientDot], cell[PAIR.gradientDistance], found.ref[t * SIDE_WIDTH + 1]];
      for (const value of numbers) {
        expect(Number.isFinite(value), name).toBe(partial.has(name));
      }
    });
    const cosine = computePairMetrics(found, 0).encoder_gradient_cosine_similarity;
    expect(cosine).toMatchObject({ value: null, reason: expect.stringContaining('(and 4 more)') });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    '%d in one tensor spoils that one and no other',
    async (bad) => {
      const found = await measured([referenceOf('r', base, tau)], (live) => {
        const { shape, data } = live.get('up.weight')!;
        live.set('up.weight', { shape, data: data.map((value, i) => (i === 100 ? bad : value)) });
      });
      const broken = found.tensors.filter((_, t) => !Number.isFinite(found.live[t * SIDE_WIDTH]));
      expect(broken.map(({ name }) => name)).toEqual(['up.weight']);
      expect(computePairMetrics(found, 0).task_vector_l2_distance).toMatchObject({
        value: null,
        reason: expect.stringContaining('up.weight'),
      });
    },
  );

  it('weights of the base: zeros, and no subspace', async () => {
    const found = await measured([referenceOf('r', base, tau)], (live) => {
      for (const [name, tensor] of base) {
        live.set(name, tensor);
      }
    });
    expect([...found.live].filter((_, i) => i % SIDE_WIDTH === SIDE.tauNorm)).toEqual(
      found.tensors.map(() => 0),
    );
    expect(computePairMetrics(found, 0).subspace_overlap.value).toBeNull();
  });

  it('no reference: the live side alone', async () => {
    const found = await measured([]);
    expect(found.pair).toHaveLength(0);
    expect([...found.live].filter((_, i) => i % SIDE_WIDTH < 2).every(Number.isFinite)).toBe(true);
  });
});

describe('a reference of low rank', () => {
  it('is measured as the same one in full: factors multiplied out, what is not there zero', async () => {
    const base = randomTensors(SHAPES, 0.5, 'base');
    const tau = new Map(randomTensors(SHAPES, 0.1, 'tau'));
    const { shape } = tau.get('up.weight')!;
    const [left, right] = [
      randomTensors({ 'l.weight': [shape[0], 2] }, 0.3, 'l'),
      randomTensors({ 'r.weight': [2, shape[1]] }, 0.3, 'r'),
    ].map((tensors) => [...tensors.values()][0]);
    const row = (i: number, j: number) =>
      left.data[2 * i] * right.data[j] + left.data[2 * i + 1] * right.data[shape[1] + j];
    const data = Float32Array.from(tau.get('up.weight')!.data, (_, at) =>
      row(Math.floor(at / shape[1]), at % shape[1]),
    );
    tau.set('up.weight', { shape, data });
    tau.set('long.bias', { shape: [300], data: new Float32Array(300) });
    // From a base of zeros, so that the task vector is not rounded.
    const zeros = new Map([...base].map(([name, each]) => [name, { ...each, data: each.data.map(() => 0) }]));
    const full = referenceOf('full', zeros, tau);
    const stored = new Map([...full.tau].filter(([name]) => name !== 'up.weight' && name !== 'long.bias'));
    const low = { ...full, name: 'low', tau: stored, factors: new Map([['up.weight', { left, right }]]) };
    const tensors = sharedTensors(SHAPES, base);
    const statistics = deviceStatistics(tensors, [full, low]);
    assignAll(tensors, sum(base, randomTensors(SHAPES, 0.1, 'live')));
    const { pair } = complete(await settle(statistics, 3));
    disposeAll(statistics, tensors);
    const half = pair.length / 2;
    pair.subarray(0, half).forEach((value, i) => {
      const other = pair[half + i];
      expect(Object.is(value, other) || Math.abs(value - other) <= 1e-5 * Math.abs(value)).toBe(true);
    });
  });
});

describe('device memory', () => {
  it('is all given back, and ticks and folds keep none', async () => {
    const base = randomTensors(SHAPES, 0.5, 'base');
    const tensors = sharedTensors(SHAPES, base);
    const before = tf.memory().numTensors;
    const references = [referenceOf('r', base, randomTensors(SHAPES, 0.1, 'tau'), base)];
    const statistics = deviceStatistics(tensors, references, { chunk: 500 });
    assignAll(tensors, sum(base, randomTensors(SHAPES, 0.1, 'live')));
    await settle(statistics, 2);
    const working = tf.memory().numTensors;
    const gradients = gradientMap(tensors, base);
    statistics.gradients!.fold(gradients, 1);
    tf.dispose(gradients);
    statistics.gradients!.rehearse();
    await settle(statistics, 5);
    expect(tf.memory().numTensors).toBe(working);
    statistics.dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(tensors.map(({ variable }) => variable));
  });
});
