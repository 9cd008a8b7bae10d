import { afterAll, describe, expect, it } from 'vitest';
import { SpectralPool, spectralParts } from '../../src/spectral/index.js';
import { MergeguardError } from '../../src/tensors/index.js';
import { dense, withValues } from './matrices.js';

const OPTIONS = { k: 3, bottom: true, precise: false };
const matrix = (seed: number) => dense(withValues(12, 9, [9, 8, 7, 6, 5, 4, 3, 2, 1], seed), Float32Array);

describe('SpectralPool', () => {
  const pool = new SpectralPool({ threads: 2 });
  afterAll(() => pool.close());

  it('gives what the plain call gives, for each matrix its own', async () => {
    const given = [1, 2, 3, 4, 5].map(matrix);
    const expected = given.map((one) => spectralParts(one, OPTIONS));
    expect(await Promise.all(given.map((one) => pool.parts(one, OPTIONS)))).toEqual(expected);
    const precise = { ...OPTIONS, precise: true, bottom: false };
    expect(await pool.parts(matrix(1), precise)).toEqual(spectralParts(matrix(1), precise));
    expect(await pool.parts({ rows: 2, columns: 1, data: new Float64Array(2) }, OPTIONS)).toBeNull();
  });

  it('takes the values over: they are gone here, unless they are part of a larger buffer', async () => {
    const whole = matrix(1);
    const part = { ...matrix(1), data: new Float32Array(200).subarray(10, 118) };
    part.data.set(whole.data);
    const expected = spectralParts(whole, OPTIONS);
    const copy = part.data.slice();
    expect(await pool.parts(part, OPTIONS)).toEqual(expected);
    expect(part.data).toEqual(copy);
    expect(await pool.parts(whole, OPTIONS)).toEqual(expected);
    expect(whole.data).toHaveLength(0);
    expect(whole.data.buffer.byteLength).toBe(0);
  });

  it('begins the message of an error with the label', async () => {
    const broken = matrix(1);
    broken.data[5] = Number.NaN;
    const error = await pool.parts(broken, OPTIONS, 'w of svhn').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MergeguardError);
    expect((error as Error).message).toBe(
      'w of svhn: a matrix with the value NaN (at 5) has no singular values',
    );
  });

  it('rejects what was not done when it is closed, and what comes later', async () => {
    const closing = new SpectralPool({ threads: 1 });
    const open = [closing.parts(matrix(1), OPTIONS, 'first'), closing.parts(matrix(2), OPTIONS, 'second')];
    const outcomes = Promise.allSettled(open);
    await closing.close();
    for (const [i, label] of ['first', 'second'].entries()) {
      const { reason } = (await outcomes)[i] as PromiseRejectedResult;
      expect(reason.message).toBe(`${label}: the thread pool was closed before it was done`);
    }
    await expect(closing.parts(matrix(3), OPTIONS, 'third')).rejects.toThrow(
      'third: the thread pool is closed',
    );
  });
});
