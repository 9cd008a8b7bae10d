import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  baseIdentity,
  compareTensors,
  type HostTensor,
  MergeguardError,
  matchTensors,
  type Shapes,
  taskVector,
} from '../../src/tensors/index.js';

const shapes = (entries: Record<string, number[]>): Shapes => new Map(Object.entries(entries));
const tensor = (shape: number[], ...values: number[]): HostTensor => ({
  shape,
  data: Float32Array.from(values),
});

describe('compareTensors', () => {
  it('lists shape mismatches, missing and extra tensors at once', () => {
    const here = shapes({ 'encoder.2.weight': [512, 2048], same: [1], lost: [4] });
    const there = shapes({ 'encoder.2.weight': [768, 3072], same: [1], more: [4] });
    const call = () =>
      compareTensors(here, there, {
        what: 'reference "eurosat"',
        advice: 'was it fine-tuned from another base?',
      });
    expect(call).toThrow(MergeguardError);
    expect(call).toThrow(
      [
        'reference "eurosat" does not fit the live model; was it fine-tuned from another base?',
        '  - encoder.2.weight is [768, 3072] there, [512, 2048] here',
        '  - lost is [4] here, missing there',
        '  - more is [4] there, missing here',
      ].join('\n'),
    );
  });

  it('matches by name alone, or by an explicit map', () => {
    const here = shapes({ a: [2, 3], b: [4] });
    const there = shapes({ x: [2, 3], b: [4] });
    expect(matchTensors(here, there).problems).toHaveLength(2);
    const names = compareTensors(here, there, { what: 'it', map: { a: 'x' } });
    expect(names).toEqual(
      new Map([
        ['a', 'x'],
        ['b', 'b'],
      ]),
    );
  });

  it('finds what is wrong with a map', () => {
    const here = shapes({ a: [1], b: [1], c: [1] });
    const there = shapes({ a: [1], b: [2], c: [1] });
    const { problems } = matchTensors(here, there, { a: 'b', b: 'b', z: 'c', c: 'y' });
    expect(problems).toContain('the map leads both "a" and "b" to "b"');
    expect(problems).toContain('the map names "z", which is not here');
    expect(problems).toContain('the map leads "c" to "y", which is not there');
    expect(problems).toContain('a (there b) is [2] there, [1] here');
    expect(problems).toContain('a is [1] there, missing here');
  });

  it('keeps a name that the map gives away from its namesake', () => {
    const here = shapes({ a: [1], b: [1] });
    const { names, problems } = matchTensors(here, shapes({ a: [1], b: [1] }), { b: 'a' });
    expect(names).toEqual(new Map([['b', 'a']]));
    expect(problems).toEqual(['a is [1] here, missing there', 'b is [1] there, missing here']);
  });

  it('matches a swap of two names both ways', () => {
    const same = shapes({ a: [1], b: [1] });
    expect(matchTensors(same, same, { a: 'b', b: 'a' })).toEqual({
      names: new Map([
        ['a', 'b'],
        ['b', 'a'],
      ]),
      problems: [],
    });
  });
});

describe('taskVector', () => {
  it('is model minus base', () => {
    const base = new Map([['a', tensor([2], 1, 2)]]);
    const model = new Map([['a', tensor([2], 1.5, -2)]]);
    expect(taskVector(base, model)).toEqual(new Map([['a', tensor([2], 0.5, -4)]]));
  });

  it('refuses a model of other tensors', () => {
    const base = new Map([['a', tensor([2], 1, 2)]]);
    const model = new Map([['a', tensor([1], 1)]]);
    expect(() => taskVector(base, model)).toThrow(
      /the model does not fit the base[\s\S]*a is \[1\] there, \[2\] here/,
    );
  });
});

describe('baseIdentity', () => {
  it('is pinned: SHA-256 over name, 0, shape, 0, float32 bytes', () => {
    expect(baseIdentity(new Map([['a', tensor([1], 1)]]))).toBe(
      // printf 'a\0001\000\000\000\200\077' | sha256sum
      'a45caa3d54a51794bc1ede61107144b0f744ecd1523b59c2544b0c824ed9c653',
    );
  });

  it('does not depend on order, and changes with any name, shape or value', () => {
    const a = tensor([2, 1], 1, 2);
    const b = tensor([1], 3);
    const id = baseIdentity(
      new Map([
        ['a', a],
        ['b', b],
      ]),
    );
    expect(
      baseIdentity(
        new Map([
          ['b', b],
          ['a', a],
        ]),
      ),
    ).toBe(id);
    const others = [
      new Map([
        ['a', a],
        ['c', b],
      ]),
      new Map([
        ['a', tensor([1, 2], 1, 2)],
        ['b', b],
      ]),
      new Map([
        ['a', tensor([2, 1], 1, 2.0000002384185791)],
        ['b', b],
      ]),
      new Map([['a', a]]),
      new Map([
        ['a', b],
        ['b', a],
      ]),
    ].map(baseIdentity);
    expect(new Set([id, ...others]).size).toBe(6);
  });

  it('sorts names by their UTF-8 bytes, as other languages do', () => {
    const entry = fc.tuple(fc.string({ unit: 'grapheme' }), fc.float({ noNaN: true }));
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ([name]) => name, maxLength: 6 }), (list) => {
        const named = list.map(([name, value]) => [name, tensor([1], value)] as const);
        expect(baseIdentity(new Map(named.toReversed()))).toBe(baseIdentity(new Map(named)));
      }),
      { seed: 5, numRuns: 100 },
    );
    // U+FF5E sorts before U+1F600 by bytes and after it by UTF-16 units.
    const wide = baseIdentity(
      new Map([
        ['\u{1F600}', tensor([1], 1)],
        ['\uFF5E', tensor([1], 2)],
      ]),
    );
    expect(wide).toBe('8b20fce4fb70d92e8562cf4bb22cb57fb7915d55c018ebe850659e4d9bbead44');
  });
});
