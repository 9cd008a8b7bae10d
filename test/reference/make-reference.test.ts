import { describe, expect, it } from 'vitest';
import type { GradientRecipe } from '../../src/metrics/pair-statistics.js';
import {
  checkReference,
  makeReference,
  type Reference,
  type ReferenceGradientRecipe,
  type ReferenceOptions,
  referenceLimits,
} from '../../src/reference/index.js';
import { baseIdentity, MergeguardError, shapesOf } from '../../src/tensors/index.js';
import { adapterReference, fullReference, randomTensor, seeded, smallPair } from './helpers.js';

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
    expect([...reference.bottoms]).toEqual([
      ['wide.weight', { shape: [6, 4], data: expect.any(Float32Array) }],
    ]);
    expect(reference.factors.size).toBe(0);
    const { head, gradient, calibration, inputGradient, accuracy } = reference;
    expect([head, gradient, calibration, inputGradient, accuracy]).toEqual(Array(5).fill(null));
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
        inputGradient: { shape: [2, 2], data: Float32Array.of(1, Number.NaN, 0) },
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
      /the input gradient is \[2, 2\], but has 3 values/,
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
  const UNCHANGED = '1 of 2 matrices were not changed: subspace metrics leave them out';
  it.each<[string, Partial<Reference>, string]>([
    ['head', { head: null }, "no head: a merge probe asks it by the live model's"],
    [
      'calibration',
      { calibration: null },
      "no calibration samples: it can't be merge-probed, activation metrics are null",
    ],
    ['gradient', { gradient: null }, 'no gradient: gradient metrics are null'],
    [
      'part of the gradient',
      { gradient: new Map([['wide.bias', randomTensor([4], seeded(1))]]) },
      'a gradient for 1 of 4 tensors: gradient metrics cover these only',
    ],
    ['input gradient', { inputGradient: null }, 'no input gradient: input-gradient metrics are null'],
    [
      'bottom subspaces',
      { bottoms: new Map() },
      'no bottom subspace (its task vectors have low rank, or it was made by an older version): bottom metrics are null',
    ],
  ])('says what it means that the %s is missing, and nothing else', (_, change, limit) => {
    expect(referenceLimits(fullReference())).toEqual([UNCHANGED]);
    expect(referenceLimits({ ...fullReference(), ...change }).sort()).toEqual([limit, UNCHANGED].sort());
  });

  it('misses accuracy and loss of its own only where no samples are there to measure them on', () => {
    const unknown = { ...fullReference(), accuracy: null, loss: null };
    expect(referenceLimits(unknown)).toEqual([UNCHANGED]);
    const limits = referenceLimits({ ...unknown, calibration: null });
    expect(limits).toContain(
      'no accuracy of its own: what merging costs its task can be given as raw accuracy only',
    );
    expect(limits).toContain('no loss of its own: what merging costs its task can be given by accuracy only');
  });

  it('is made of parts of the kinds that the options say, each wrong one named', () => {
    const { base, model } = smallPair();
    const wrong = {
      name: 'r',
      base,
      model,
      head: { 'head.weight': { shape: [2, 2], data: new Float32Array(4) } },
      calibration: {
        images: { shape: [2, 1], data: new Float32Array(2) },
        labels: { shape: [2], data: [0, 1] },
      },
    };
    const make = () => makeReference(wrong as unknown as ReferenceOptions);
    expect(make).toThrow(/head is no Map from canonical names to \{ shape, data \}/);
    expect(make).toThrow(/calibration labels are no Int32Array/);
  });

  it('says of unchanged weights that nothing comes of them, and not that bottoms are missing too', () => {
    const { base } = smallPair();
    const limits = referenceLimits(makeReference({ name: 'r', base, model: base }));
    expect(limits).toContain('its weights are those of the base: task-vector metrics are null');
    expect(limits).toContain('no matrix that fine-tuning changed: subspace metrics are null');
    expect(limits).toHaveLength(8);
  });

  it('counts the factors of an adapter as changed matrices', () => {
    const bottoms = expect.stringContaining('no bottom subspace');
    expect(referenceLimits(adapterReference())).toEqual([UNCHANGED, bottoms]);
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
