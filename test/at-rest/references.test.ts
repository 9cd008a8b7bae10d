import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Comparison, compareAll, compareWith } from '../../src/at-rest/index.js';
import { PairArrays } from '../../src/at-rest/pair-arrays.js';
import { computePairMetrics } from '../../src/metrics/index.js';
import { makeReference, writeReference } from '../../src/reference/index.js';
import { spectralParts } from '../../src/spectral/index.js';
import { type NamedTensors, parseSafetensors, Random } from '../../src/tensors/index.js';
import { disk, expectMetrics, fineTuned, randomBase, type Tensors, tensor } from './models-on-disk.js';

const { at, write } = disk();
let count = 0;

/** A reference made with its own k. */
async function reference(base: Tensors, model: Tensors, k: number): Promise<string> {
  const path = at(`reference ${count++} k ${k}.safetensors`);
  const made = makeReference({
    name: 'it',
    base: base as NamedTensors,
    model: model as NamedTensors,
    k,
  });
  await writeReference(path, made);
  return path;
}

const only = ({ pairs }: Comparison) => pairs[0]!.metrics;

describe('references that were made with another k', () => {
  const shapes = { tall: [60, 26], wide: [26, 60], small: [7, 9], square: [24, 24] };
  const random = new Random('other k');
  const whole: Tensors = new Map(
    Object.entries(shapes).map(([name, shape]) => [name, tensor(shape, random)]),
  );
  /** Moved along `rank` directions only, all values small whole numbers so that no rounding raises the rank. */
  const along = (base: Tensors, rank: number, seed: string): Tensors =>
    new Map(
      [...base].map(([name, { shape, data }]) => {
        const [rows, columns] = shape as [number, number];
        const draw = new Random('along', name, seed);
        const whole = (n: number) => Array.from({ length: n }, () => Math.round(2 * draw.normal()));
        const [left, right] = [whole(rows * rank), whole(rank * columns)];
        const moved = Float32Array.from(data as Float32Array, (value, at) => {
          let sum = value;
          for (let r = 0; r < rank; r++) {
            sum += left[Math.floor(at / columns) * rank + r]! * right[r * columns + (at % columns)]!;
          }
          return sum;
        });
        return [name, { shape, data: moved }];
      }),
    );
  const zeros: Tensors = new Map(
    [...whole].map(([name, { shape, data }]) => [name, { shape, data: new Float32Array(data.length) }]),
  );

  it.each<[string, Tensors, Tensors, Tensors]>([
    ['of full rank', whole, fineTuned(whole, 1), fineTuned(whole, 2)],
    ['of rank 4', zeros, along(zeros, 4, 'a'), along(zeros, 4, 'b')],
    // In the tall matrix the last 20 directions are determined, the last 10 of these are not.
    ['of rank 12', zeros, along(zeros, 12, 'a'), along(zeros, 12, 'b')],
    // The last 10 are, the last 5 are not.
    ['of rank 18', zeros, along(zeros, 18, 'a'), along(zeros, 18, 'b')],
  ])('have the metrics of the checkpoints: %s', async (_, base, one, other) => {
    const folder = `k ${count++}`;
    const [origin, a, b] = [
      await write(`${folder}/base`, base),
      await write(`${folder}/a`, one),
      await write(`${folder}/b`, other),
    ];
    const expected = only(await compareAll([a, b], { base: origin, threads: 1 }));
    for (const k of [5, 10, 20]) {
      const made = await reference(base, one, k);
      const live = only(await compareWith(b, [made], { base: origin, threads: 1 }));
      expectMetrics(live, expected, 1e-5);
      const stored = await reference(base, other, 25 - k);
      const both = only(await compareAll([made, stored], { base: null, threads: 1 }));
      expectMetrics(both, expected, 1e-5);
    }
  });

  it('are not asked for bottoms that were left out', async () => {
    const base = randomBase();
    const origin = await write('fast/base', base);
    const files = [
      await reference(base, fineTuned(base, 1), 10),
      await reference(base, fineTuned(base, 2), 10),
    ];
    const { pairs } = await compareAll(files, { base: origin, threads: 1, slow: false });
    const { value, reason } = pairs[0]!.metrics.right_subspace_overlap_bottom_k as {
      value: number | null;
      reason?: string;
    };
    expect([value, reason]).toEqual([null, expect.stringContaining('left out')]);
  });
});

describe('bottoms of different widths', () => {
  it('say so, and are not read past their rows', () => {
    const random = new Random('widths');
    const matrix = () => ({ rows: 20, columns: 12, data: random.normals(240) });
    const side = (k: number) => ({
      norm: 240,
      parts: spectralParts(matrix(), { k, bottom: true, precise: true }),
    });
    const arrays = new PairArrays(1);
    arrays.set(0, side(6), side(4), { dot: 1, distance: 478 });
    const statistics = arrays.statistics('one', 'other', [{ name: 'w', shape: [20, 12] }], true);
    expect(computePairMetrics(statistics, 0).right_subspace_overlap_bottom_k).toEqual({
      value: null,
      reason: 'the subspaces of w have k = 6 in the live model, 4 in the reference',
    });
  });
});

describe('a reference that contradicts itself', () => {
  it('is not compared', async () => {
    const base = randomBase();
    const origin = await write('broken/base', base);
    const path = await reference(base, fineTuned(base, 1), 10);
    const { tensors, metadata } = parseSafetensors(new Uint8Array(readFileSync(path)));
    const cut = new Map([...tensors].filter(([name]) => name !== 'tau/norm.weight'));
    const broken = await write('broken/cut', cut as Tensors, metadata as Record<string, string>);
    await expect(compareAll([path, broken], { base: origin, threads: 1 })).rejects.toThrow(
      /the task vector of norm\.weight is missing, whose norm is not zero/,
    );
  });
});
