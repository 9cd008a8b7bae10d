import { afterAll, describe, expect, it } from 'vitest';
import { configureMerge, MERGE_METHODS, MergePool } from '../../src/merging/index.js';
import { MergeguardError, Random } from '../../src/tensors/index.js';

const SHAPE = [6, 4];

function values(...seed: (string | number)[]): Float32Array {
  const random = new Random('merge pool', ...seed);
  return Float32Array.from({ length: 24 }, () => random.normal());
}

const tensor = (seed: number) => ({
  name: `block.${seed}.weight`,
  shape: SHAPE,
  taus: [values(seed, 1), values(seed, 2)],
  base: values(seed, 'base'),
});

/** What a merge of models of this one tensor knows of them. */
function survey(merge: ReturnType<typeof configureMerge>, one: ReturnType<typeof tensor>): unknown {
  const pass = merge.method.survey(merge.parameters);
  for (let i = 0; i < (pass?.passes ?? 0); i++) {
    pass!.visit(one, i);
  }
  return pass?.result() ?? null;
}

describe('MergePool', () => {
  const pool = new MergePool({ threads: 2 });
  afterAll(() => pool.close());

  it.each(MERGE_METHODS.map(({ name }) => name))('%s gives what the plain call gives', async (name) => {
    const merge = configureMerge(name);
    const given = [1, 2, 3].map(tensor);
    const before = structuredClone(given);
    const known = given.map((one) => survey(merge, one));
    const found = await Promise.all(given.map((one, i) => pool.mergeTensor(merge, one, known[i])));
    expect(found).toEqual(given.map((one, i) => merge.method.mergeTensor(one, merge.parameters, known[i])));
    expect(given).toEqual(before);
    expect(pool.busyMs).toBeGreaterThan(0);
  });

  it('merges with the parameters that it is given', async () => {
    const merge = configureMerge('task_arithmetic', { coefficient: 0.1 + 0.2 });
    expect(await pool.mergeTensor(merge, tensor(1), null)).toEqual(
      merge.method.mergeTensor(tensor(1), merge.parameters, null),
    );
  });

  it('takes over what it may, but never the buffer that an array is only a part of', async () => {
    const merge = configureMerge('weight_avg');
    const whole = values(1);
    const checkpoint = Float32Array.of(9, ...values(2), 9);
    const part = checkpoint.subarray(1, 25);
    const one = { name: 'w', shape: SHAPE, taus: [whole, part, whole], base: null };
    const expected = merge.method.mergeTensor(one, merge.parameters, null);
    expect(await pool.mergeTensor(merge, one, null, { transfer: true })).toEqual(expected);
    expect(whole.buffer.byteLength).toBe(0);
    expect(part).toEqual(values(2));
  });

  it('begins the message of an error with the name of the tensor', async () => {
    const merge = configureMerge('ties');
    // Ties has to know its thresholds.
    const error = await pool.mergeTensor(merge, tensor(7), null).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MergeguardError);
    expect((error as Error).message).toMatch(/^block\.7\.weight: /);
  });

  it('rejects what was not done when it is closed', async () => {
    const closing = new MergePool({ threads: 1 });
    const open = closing.mergeTensor(configureMerge('weight_avg'), tensor(1), null);
    const outcome = expect(open).rejects.toThrow(
      'block.1.weight: the thread pool was closed before it was done',
    );
    await closing.close();
    await outcome;
  });
});
