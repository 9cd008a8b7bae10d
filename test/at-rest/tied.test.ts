import { describe, expect, it } from 'vitest';
import type { ModelAtRest } from '../../src/at-rest/model.js';
import type { NamedCheckpoint } from '../../src/at-rest/named-checkpoint.js';
import { tiedTensors } from '../../src/at-rest/tied.js';
import type { ValueRange } from '../../src/tensors/index.js';

const SHAPE = [20, 20];
const named = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `w${i}`, shape: SHAPE }));

/** Values by tensor, every read counted. */
function counted(value: (name: string, at: number) => number) {
  const reads = new Map<string, number>();
  const read = async (name: string, range: ValueRange) => {
    reads.set(name, (reads.get(name) ?? 0) + 1);
    return Float32Array.from({ length: range.count }, (_, i) => value(name, range.start + i));
  };
  const total = () => [...reads.values()].reduce((sum, each) => sum + each, 0);
  return { read, total };
}

const baseOf = (read: unknown) => ({ read }) as unknown as NamedCheckpoint;
const modelOf = (read: (name: string, range: ValueRange) => Promise<Float32Array>, form = 'dense') =>
  ({
    form: () => form,
    tau: (name: string, range: ValueRange) => read(name, range),
  }) as unknown as ModelAtRest;
const index = (name: string) => Number(name.slice(1));

describe('tied tensors among many of one shape', () => {
  it('are found by one short read of each', async () => {
    const base = counted((name, at) => (index(name) === 399 ? 7 : index(name)) + at);
    const model = counted((name) => (index(name) === 399 ? 7 : index(name)));
    const tied = await tiedTensors(baseOf(base.read), [modelOf(model.read)], named(400));
    expect([...tied]).toEqual([['w399', 'w7']]);
    // All begin once; the two that are tied are read to the end.
    expect(base.total()).toBe(400 + 2);
    expect(model.total()).toBe(2 + 2);
  });

  it('are read once to the end where all begin alike in the base', async () => {
    const base = counted(() => 0);
    const model = counted((name, at) => (at < 399 ? 0 : index(name)));
    const tied = await tiedTensors(baseOf(base.read), [modelOf(model.read)], named(400));
    expect(tied.size).toBe(0);
    expect(base.total() + model.total()).toBe(4 * 400);
  });

  it('are not looked for in factors, but in what a model left alone', async () => {
    const base = baseOf(counted(() => 1).read);
    const none = counted(() => 0);
    expect((await tiedTensors(base, [modelOf(none.read, 'low-rank')], named(3))).size).toBe(0);
    const tied = await tiedTensors(base, [modelOf(none.read, 'zero')], named(3));
    expect([...tied]).toEqual([
      ['w1', 'w0'],
      ['w2', 'w0'],
    ]);
    expect(none.total()).toBe(0);
  });
});
