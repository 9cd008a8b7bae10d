import { afterAll, describe, expect, it } from 'vitest';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { SolverPool } from '../../src/fingerprint/solver-pool.js';
import { Random } from '../../src/tensors/random.js';
import { randomProgram } from './programs.js';

describe('solving in worker threads', () => {
  const pool = new SolverPool();
  afterAll(() => pool.close());

  it('gives what the plain path gives, in the order of the promises', async () => {
    const random = new Random('pool');
    const programs = Array.from({ length: 6 }, (_, i) => randomProgram(random, 10 + 5 * i, 3, 4));
    const solutions = await Promise.all(programs.map((program) => pool.solve(program)));
    expect(solutions).toEqual(programs.map(solveProgram));
  });

  it('passes on the error with the name of the program, and goes on', async () => {
    const random = new Random('pool error');
    const good = randomProgram(random, 12, 2, 0);
    const bad = { ...good, label: 'ties, without mnist', target: good.target.map(() => Number.NaN) };
    const [failed, fine] = await Promise.allSettled([pool.solve(bad), pool.solve(good)]);
    expect(failed).toMatchObject({
      status: 'rejected',
      reason: { name: 'MergeguardError', message: expect.stringContaining('ties, without mnist') },
    });
    expect(fine.status).toBe('fulfilled');
  });

  it('kills a thread that takes too long and names the program', async () => {
    const program = { ...randomProgram(new Random('slow'), 1200, 10, 20), label: 'tsv, fold 3' };
    const impatient = new SolverPool({ threads: 1, timeLimitSeconds: 0.05 });
    await expect(impatient.solve(program)).rejects.toThrow(/tsv, fold 3: .* not done within 0.05 s/);
    await impatient.close();
  });

  it('rejects what is still open when it is closed', async () => {
    const closing = new SolverPool({ threads: 1 });
    const open = closing.solve(randomProgram(new Random('open'), 30, 2, 0));
    await Promise.all([expect(open).rejects.toThrow(/closed/), closing.close()]);
    await expect(closing.solve(randomProgram(new Random('late'), 30, 2, 0))).rejects.toThrow(/closed/);
  });
});
