import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Comparison, compareAll, compareWith, makeReferenceFile } from '../../src/at-rest/index.js';
import type { NumericTensors } from '../../src/metrics/index.js';
import { parseSafetensors, Random } from '../../src/tensors/index.js';
import {
  adapter,
  disk,
  expectMetrics,
  fineTuned,
  merged,
  randomBase,
  slowMetrics,
  type Tensors,
  tauOf,
  tensor,
  WEIGHT_METRICS,
} from './models-on-disk.js';

const PARITY = join(import.meta.dirname, '../../../shared/fixtures/parity');

/** Holds every pair against the slow way; `taus` by the models' names. */
function expectPairs(found: Comparison, taus: Record<string, NumericTensors>, tolerance = 1e-5): void {
  for (const { a, b, metrics } of found.pairs) {
    expectMetrics(metrics, slowMetrics(taus[a.name]!, taus[b.name]!), tolerance);
  }
}

const namesOf = ({ pairs }: Comparison) => pairs.map(({ a, b }) => `${a.name} ${b.name}`);

describe('checkpoints', () => {
  const { at, write, writeShards } = disk();
  const base = randomBase();
  const models: Record<string, Tensors> = Object.fromEntries(
    ['a', 'b', 'c'].map((name, i) => [name, fineTuned(base, name, 0.05 * (i + 1))]),
  );
  const taus = Object.fromEntries(Object.entries(models).map(([name, model]) => [name, tauOf(base, model)]));

  async function written(): Promise<{ base: string; paths: string[] }> {
    const paths = await Promise.all(
      Object.entries(models).map(([name, model]) =>
        name === 'b' ? writeShards('plain/b', model) : write(`plain/${name}`, model),
      ),
    );
    return { base: await write('plain/base', base), paths };
  }

  it('are compared pair by pair, each with the values of the slow way, in one file or in shards', async () => {
    const { base: origin, paths } = await written();
    const found = await compareAll(paths, { base: origin, threads: 2 });
    expect(namesOf(found)).toEqual(['a b', 'a c', 'b c']);
    expectPairs(found, taus);
    expect(found.coverage).toEqual({ matched: 6, total: 6, parameters: 1, excluded: [] });
    expect(found.notes).toEqual([]);
    const precise = await compareAll(paths, { base: origin, threads: 1, precise: true });
    expectPairs(precise, taus, 1e-9);
  });

  it('are compared one with others, as the live model', async () => {
    const { base: origin, paths } = await written();
    const found = await compareWith(paths[2]!, [paths[0]!, paths[1]!], { base: origin, threads: 1 });
    expect(namesOf(found)).toEqual(['c a', 'c b']);
    expectPairs(found, taus);
    expect(found.pairs[0]!.statistics).toMatchObject({ run: 'c', references: ['a'], gradient: null });
  });

  it('leave out what is slow when asked, and say so', async () => {
    const { base: origin, paths } = await written();
    const all = await compareAll(paths.slice(0, 2), { base: origin, threads: 1 });
    const fast = await compareAll(paths.slice(0, 2), { base: origin, threads: 1, slow: false });
    const slow = WEIGHT_METRICS.filter((name) => /bottom_k|singular_value_overlap/.test(name));
    for (const [name, value] of Object.entries(fast.pairs[0]!.metrics)) {
      if (slow.includes(name)) {
        expect(value).toEqual({ value: null, reason: 'left out, as was asked' });
      } else {
        expect(value).toEqual(all.pairs[0]!.metrics[name]);
      }
    }
    for (const name of [
      'activation_dot_product',
      'input_gradient_dot_product',
      'encoder_gradient_dot_product',
    ]) {
      expect(all.pairs[0]!.metrics[name]).toEqual({
        value: null,
        reason: 'models at rest have only weights: this needs their data',
      });
    }
  });

  it('report their progress in parameters, to the end', async () => {
    const { base: origin, paths } = await written();
    const seen: number[][] = [];
    const onProgress = (done: number, total: number) => void seen.push([done, total]);
    await compareAll(paths, { base: origin, threads: 2, onProgress });
    expect(seen).toHaveLength(6);
    expect(seen.at(-1)).toEqual([1252, 1252]);
    expect(seen.every(([done], i) => i === 0 || done! > seen[i - 1]![0]!)).toBe(true);
  });

  it.each(['F16', 'BF16', 'F64'] as const)(
    'of dtype %s count as the values that they hold',
    async (dtype) => {
      // Multiples of 2^-6 up to 2 are exact in each.
      const round = (tensors: Tensors): Tensors =>
        new Map(
          [...tensors].map(([name, { shape, data }]) => {
            const rounded = Array.from(data as Float32Array, (value) => {
              return Math.round(Math.max(-1.9, Math.min(1.9, value)) * 64) / 64;
            });
            const Kind = dtype === 'F64' ? Float64Array : Float32Array;
            return [name, { shape, data: new Kind(rounded), dtype }];
          }),
        );
      const [origin, one, other] = [base, models.a!, models.c!].map(round) as [Tensors, Tensors, Tensors];
      const paths = [await write(`${dtype}/one`, one), await write(`${dtype}/other`, other)];
      const found = await compareAll(paths, { base: await write(`${dtype}/base`, origin), threads: 1 });
      expectPairs(found, { one: tauOf(origin, one), other: tauOf(origin, other) });
    },
  );

  it('in a folder are all of it but the base', async () => {
    await written();
    const found = await compareAll([at('plain')], { base: at('plain/base.safetensors'), threads: 1 });
    expect(namesOf(found)).toEqual(['a b', 'a c', 'b c']);
  });
});

describe('adapters, checkpoints and references together', () => {
  const { at, write, writeAdapter } = disk();
  const base = randomBase();
  const UP_DOWN = ['layers.0.up', 'layers.0.down'];
  const small = adapter(base, { rank: 2, modules: UP_DOWN }, 'small');
  const large = adapter(
    base,
    {
      rank: 3,
      modules: [...UP_DOWN, 'embed'],
      whole: new Map([['norm.weight', fineTuned(base, 1).get('norm.weight')!]]),
    },
    'large',
  );
  const full = fineTuned(base, 'full');
  const SCALAR = WEIGHT_METRICS.filter((name) => !/subspace|interaction/.test(name));

  async function written() {
    return {
      base: await write('base', base),
      small: await writeAdapter('small', small),
      large: await writeAdapter('large', large),
      full: await write('full', full),
    };
  }

  it('have the values of their dense products', async () => {
    const paths = await written();
    const options = { base: paths.base, threads: 2, precise: true };
    const found = await compareAll([paths.small, paths.large, paths.full], options);
    const taus: Record<string, NumericTensors> = {
      small: small.tau,
      large: large.tau,
      full: tauOf(base, full),
    };
    expect(found.pairs.map(({ a, b }) => [a.kind, b.kind])).toEqual([
      ['adapter', 'adapter'],
      ['adapter', 'checkpoint'],
      ['adapter', 'checkpoint'],
    ]);
    for (const { a, b, metrics } of found.pairs) {
      // The smaller rank of the two is how many directions both have.
      const k = [a.name, b.name].includes('small') ? 2 : 3;
      expectMetrics(metrics, slowMetrics(taus[a.name]!, taus[b.name]!, k), 1e-6, SCALAR);
      const top = WEIGHT_METRICS.filter((name) =>
        /subspace_overlap(_top_k)?$|interaction.*top_k$/.test(name),
      );
      expectMetrics(metrics, slowMetrics(taus[a.name]!, taus[b.name]!, k), 1e-6, top);
      expect(metrics.right_subspace_overlap_bottom_k).toEqual({
        value: null,
        reason: expect.stringMatching(/has not full rank, so that it has no bottom subspace/),
      });
    }
  });

  it('have the values of the same models merged into checkpoints', async () => {
    const paths = await written();
    const dense = [
      await write('merged/small', merged(base, small.tau)),
      await write('merged/large', merged(base, large.tau)),
    ];
    const options = { base: paths.base, threads: 1, precise: true };
    const low = await compareAll([paths.small, paths.large], options);
    const high = await compareAll(dense, options);
    const scalars = SCALAR.filter((name) => !name.startsWith('layerwise'));
    expectMetrics(low.pairs[0]!.metrics, high.pairs[0]!.metrics, 1e-6, scalars);
  });

  it('are compared through reference files too, with or without the base', async () => {
    const paths = await written();
    const make = async (name: string, model: string, dtype: 'F32' | 'F16' = 'F32') => {
      const out = at(`references/${name}.safetensors`);
      await makeReferenceFile({ base: paths.base, model, out, dtype, threads: 1 });
      return out;
    };
    await write('references/folder', base);
    const references = [
      await make('small', paths.small),
      await make('large', paths.large),
      await make('full', paths.full),
    ];
    const direct = await compareAll([paths.small, paths.large, paths.full], { base: paths.base, threads: 1 });
    const runs: [string[], string | null][] = [
      [references, null],
      [references, paths.base],
      [[references[0]!, paths.large, references[2]!], paths.base],
    ];
    for (const [given, origin] of runs) {
      const found = await compareAll(given, { base: origin, threads: 1 });
      expect(namesOf(found)).toEqual(namesOf(direct));
      found.pairs.forEach(({ metrics }, p) => {
        expectMetrics(metrics, direct.pairs[p]!.metrics, 1e-5);
      });
    }
    const half = await make('half', paths.full, 'F16');
    const rough = await compareWith(half, [references[0]!], { base: null, threads: 1 });
    expectMetrics(rough.pairs[0]!.metrics, direct.pairs[1]!.metrics, 1e-3);
    const precise = await compareWith(half, [paths.small], { base: paths.base, threads: 1, precise: true });
    expect(precise.notes).toEqual([
      expect.stringMatching(/^reference files hold float32 or float16: .* half /),
    ]);
  });
});

describe('references of version 1', () => {
  const { at, write } = disk();

  it('have the bottoms and the spectra that their files lack or have too much of', async () => {
    const base = new Map([['w', tensor([106, 103], new Random('old'))]]);
    const model = await write('one', fineTuned(base, 1));
    const [origin, out] = [await write('base', base), at('now.safetensors')];
    await makeReferenceFile({ base: origin, model, out, threads: 1 });
    const { tensors, metadata } = parseSafetensors(new Uint8Array(readFileSync(out)));
    const all = Float64Array.from(
      { length: 103 },
      (_, i) => (tensors.get('spectrum/w')!.data[i] as number) ?? 0.5,
    );
    const old = new Map([...tensors].filter(([name]) => !name.startsWith('bottom')));
    const path = await write('old', old.set('spectrum/w', { dtype: 'F64', shape: [103], data: all }), {
      ...metadata,
      version: '1',
    });
    const other = await write('other', fineTuned(base, 2));
    const { pairs } = await compareWith(other, [path, out], { base: origin, threads: 1 });
    expect(pairs[0]!.metrics.right_subspace_overlap_bottom_k!.value).not.toBeNull();
    expectMetrics(pairs[0]!.metrics, pairs[1]!.metrics, 1e-6);
  });
});

describe.skipIf(!existsSync(PARITY))(
  "the study's values (skipped where ../shared/fixtures/parity is absent)",
  () => {
    it.each([
      [false, 1e-5],
      [true, 1e-9],
    ])('come out, precise: %s, to %f', async (precise, tolerance) => {
      const all = JSON.parse(readFileSync(join(PARITY, 'expected.json'), 'utf8'));
      const path = (name: string) => join(PARITY, `${name}.safetensors`);
      const models = ['a', 'b', 'c'].map(path);
      const { pairs } = await compareAll(models, { base: path('base'), threads: 2, precise });
      expect(pairs).toHaveLength(3);
      for (const { a, b, metrics } of pairs) {
        for (const name of WEIGHT_METRICS) {
          const wanted = all[`${a.name}__${b.name}`][name];
          expect(Math.abs(metrics[name]!.value! / wanted - 1), name).toBeLessThan(tolerance);
        }
      }
    });
  },
);
