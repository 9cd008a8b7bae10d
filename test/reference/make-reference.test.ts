import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GradientRecipe } from '../../src/metrics/pair-statistics.js';
import {
  checkReference,
  makeReference,
  type ReferenceGradientRecipe,
  referenceLimits,
} from '../../src/reference/index.js';
import { topSubspace } from '../../src/reference/subspace.js';
import { baseIdentity, type HostTensor, MergeguardError, shapesOf } from '../../src/tensors/index.js';
import { fullReference, randomTensor, seeded, smallPair } from './helpers.js';

/** Entry [row, column] of a^T b, both [n, k]. */
function crossProduct(a: HostTensor, b: HostTensor): number[][] {
  const [n, k] = a.shape as [number, number];
  const width = b.shape[1]!;
  const result: number[][] = [];
  for (let row = 0; row < k; row++) {
    result.push([]);
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += a.data[i * k + row]! * b.data[i * width + column]!;
      result[row]!.push(sum);
    }
  }
  return result;
}

/** U diag(s) V^T, [out, in] row-major. */
function rebuild(left: HostTensor, right: HostTensor, values: Float64Array): number[] {
  const [out, k] = left.shape as [number, number];
  const inputs = right.shape[0]!;
  const result: number[] = [];
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < inputs; column++) {
      let sum = 0;
      for (let j = 0; j < k; j++) sum += left.data[row * k + j]! * values[j]! * right.data[column * k + j]!;
      result.push(sum);
    }
  }
  return result;
}

function expectIdentity(matrix: number[][]): void {
  for (const [row, values] of matrix.entries()) {
    for (const [column, value] of values.entries()) {
      expect(value).toBeCloseTo(row === column ? 1 : 0, 5);
    }
  }
}

describe('topSubspace', () => {
  it('rebuilds matrices of any shape, rank and scale, from orthonormal vectors', () => {
    const size = fc.integer({ min: 1, max: 9 });
    const cases = fc.tuple(
      size,
      size,
      fc.integer({ min: 1, max: 4 }),
      fc.nat(1e6),
      fc.constantFrom(1e-25, 1, 1e20),
    );
    fc.assert(
      fc.property(cases, ([out, inputs, rank, seed, scale]) => {
        const next = seeded(seed);
        const a = randomTensor([out, rank], next);
        const b = randomTensor([inputs, rank], next);
        const ones = new Float64Array(rank).fill(scale);
        const data = Float32Array.from(rebuild(a, b, ones));
        const { subspace, spectrum } = topSubspace({ shape: [out, inputs], data }, 9)!;
        expect(subspace.k).toBeLessThanOrEqual(Math.min(rank, out, inputs));
        expect(subspace.left.shape).toEqual([out, subspace.k]);
        expect(subspace.right.shape).toEqual([inputs, subspace.k]);
        expect(spectrum).toHaveLength(Math.min(out, inputs));
        expect([...spectrum]).toEqual([...spectrum].sort((x, y) => y - x));
        expectIdentity(crossProduct(subspace.left, subspace.left));
        expectIdentity(crossProduct(subspace.right, subspace.right));
        for (const [i, value] of rebuild(subspace.left, subspace.right, spectrum).entries()) {
          expect(value / spectrum[0]!).toBeCloseTo(data[i]! / spectrum[0]!, 5);
        }
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  it('keeps at most the dimensions asked for, and none of zeros', () => {
    const tensor = randomTensor([6, 5], seeded(3));
    expect(topSubspace(tensor, 2)!.subspace.k).toBe(2);
    expect(topSubspace({ shape: [2, 3], data: new Float32Array(6) }, 2)).toBeNull();
  });
});

describe('makeReference', () => {
  it('holds tau, its norms, and subspaces of the changed matrices', () => {
    const { base, model } = smallPair();
    const reference = makeReference({ name: 'r', base, model });
    expect(reference.baseHash).toBe(baseIdentity(base));
    expect(reference.tensors.map(({ name }) => name)).toEqual([...base.keys()]);
    for (const [t, { name }] of reference.tensors.entries()) {
      const { data } = reference.tau.get(name)!;
      let norm = 0;
      for (let i = 0; i < data.length; i++) {
        expect(data[i]).toBe(Math.fround(model.get(name)!.data[i]! - base.get(name)!.data[i]!));
        norm += data[i]! ** 2;
      }
      expect(reference.norms[t]).toBe(norm);
    }
    expect([...reference.subspaces.keys()]).toEqual(['wide.weight']);
    expect(reference.subspaces.get('wide.weight')!.k).toBe(4);
    expect(makeReference({ name: 'r', base, model, k: 2 }).subspaces.get('wide.weight')!.k).toBe(2);
    const energy = reference.spectra.get('wide.weight')!.reduce((sum, value) => sum + value ** 2, 0);
    expect(energy).toBeCloseTo(reference.norms[0]!, 12);
    expect([reference.head, reference.gradient, reference.calibration, reference.accuracy]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  it('names every tensor with NaN or infinity, and on which side', () => {
    const { base, model } = smallPair();
    base.get('wide.bias')!.data[0] = Number.NaN;
    model.get('wide.weight')!.data[3] = -Infinity;
    model.get('wide.weight')!.data[4] = Number.NaN;
    expect(() => makeReference({ name: 'r', base, model })).toThrow(MergeguardError);
    expect(() => makeReference({ name: 'r', base, model })).toThrow(
      /reference "r" can't be made[\s\S]*base wide.bias has 1 of 4 values[\s\S]*model wide.weight has 2 of 24 values/,
    );
    const far = new Map([['a', { shape: [1], data: Float32Array.of(-3e38) }]]);
    const end = new Map([['a', { shape: [1], data: Float32Array.of(3e38) }]]);
    expect(() => makeReference({ name: 'r', base: far, model: end })).toThrow(/tau a has 1 of 1 values/);
  });

  it('refuses a model with other tensors', () => {
    const { base, model } = smallPair();
    const other = new Map(model);
    other.delete('wide.bias');
    other.set('head.weight', randomTensor([2, 2], seeded(1)));
    expect(() => makeReference({ name: 'r', base, model: other })).toThrow(
      /the model of reference "r" does not fit the base[\s\S]*wide.bias is \[4\] here, missing there[\s\S]*head.weight is \[2, 2\] there, missing here/,
    );
  });

  it('lists every part that contradicts another', () => {
    const images = { shape: [2, 2], data: Float32Array.of(1, 2, 3, Number.NaN) };
    const call = () =>
      fullReference({
        accuracy: 93,
        loss: Number.NaN,
        gradient: new Map([
          ['head.weight', randomTensor([1], seeded(1))],
          ['wide.bias', randomTensor([5], seeded(1))],
        ]),
        gradientRecipe: null,
        head: new Map(),
        calibration: { images, labels: Int32Array.of(1, -1, 2) },
        madeBy: { when: () => 0 },
      });
    for (const part of [
      /accuracy: /,
      /loss: /,
      /madeBy: holds a value that JSON can not/,
      /gradient and its recipe come together/,
      /gradient head.weight belongs to no shared tensor/,
      /gradient wide.bias is \[5\], the tensor \[4\]/,
      /the head has no tensors/,
      /calibration images has 1 of 4 values/,
      /2 calibration images, but 3 labels/,
      /1 calibration labels are negative/,
    ]) {
      expect(call).toThrow(part);
    }
    expect(() => fullReference({ k: 0 })).toThrow(/can't keep 0 subspace dimensions/);
    expect(() => fullReference({ name: '', base: new Map(), model: new Map() })).toThrow(
      /at least one shared tensor/,
    );
  });

  it('has a recipe of the same shape as the statistics', () => {
    const stored: ReferenceGradientRecipe = fullReference().gradientRecipe!;
    const measured: GradientRecipe = stored;
    const back: ReferenceGradientRecipe = measured;
    expect(back).toBe(stored);
  });
});

describe('referenceLimits', () => {
  it('says what an absent part rules out, and nothing of a part that is there', () => {
    expect(referenceLimits(fullReference())).toEqual([
      '1 of 2 matrices were not changed: subspace metrics leave them out',
    ]);
    const { base, model } = smallPair();
    const bare = referenceLimits(makeReference({ name: 'r', base, model: base }));
    expect(bare).toContain("no head: it can't be merge-probed");
    expect(bare).toContain("no calibration samples: it can't be merge-probed");
    expect(bare).toContain('no gradient: gradient metrics are null');
    expect(bare).toContain('its weights are those of the base: task-vector metrics are null');
    expect(bare).toContain('no matrix that fine-tuning changed: subspace metrics are null');
    expect(bare).toHaveLength(7);
    const recipe = fullReference().gradientRecipe;
    const gradient = new Map([['wide.bias', randomTensor([4], seeded(1))]]);
    const partial = makeReference({ name: 'r', base, model, gradient, gradientRecipe: recipe });
    expect(referenceLimits(partial)).toContain(
      'a gradient for 1 of 4 tensors: gradient metrics cover these only',
    );
  });
});

describe('checkReference', () => {
  it('passes the base it was made from, and refuses another by both hashes', () => {
    const reference = fullReference();
    const shapes = shapesOf(reference.tau);
    expect(() => checkReference(reference, { baseHash: reference.baseHash, shapes })).not.toThrow();
    const other = baseIdentity(smallPair(9).base);
    expect(() => checkReference(reference, { baseHash: other, shapes })).toThrow(MergeguardError);
    expect(() => checkReference(reference, { baseHash: other, shapes })).toThrow(
      `reference "eurosat" was made from another base (${reference.baseHash.slice(0, 12)} there, ${other.slice(0, 12)} here)`,
    );
  });

  it('lists missing and extra tensors and shape mismatches at once', () => {
    const reference = fullReference();
    const shapes = new Map(shapesOf(reference.tau));
    shapes.set('wide.weight', [6, 4]);
    shapes.delete('wide.bias');
    shapes.set('new.bias', [1]);
    const lines =
      /wide.weight is \[4, 6\] there, \[6, 4\] here[\s\S]*new.bias is \[1\] here, missing there[\s\S]*wide.bias is \[4\] there, missing here/;
    expect(() => checkReference(reference, { baseHash: reference.baseHash, shapes })).toThrow(lines);
    expect(() => checkReference(reference, { baseHash: reference.baseHash, shapes })).toThrow(
      'reference "eurosat" does not fit the live model; was it fine-tuned from another base?',
    );
    const other = 'f'.repeat(64);
    expect(() => checkReference(reference, { baseHash: other, shapes })).toThrow(lines);
  });
});
