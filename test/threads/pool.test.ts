import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { MergeguardError } from '../../src/tensors/index.js';
import { ThreadPool, type ThreadPoolOptions } from '../../src/threads/index.js';
import type { Order } from './odd-worker.js';

const MODULE = new URL('./odd-worker', import.meta.url).href;

const opened: ThreadPool<Order, unknown>[] = [];
afterEach(() => Promise.all(opened.splice(0).map((pool) => pool.close())));

function open(options: Partial<ThreadPoolOptions> = {}): ThreadPool<Order, unknown> {
  const pool = new ThreadPool<Order, unknown>({ module: MODULE, threads: 1, ...options });
  opened.push(pool);
  return pool;
}

/** Results in the order of the jobs, errors by their message. */
async function outcomes(jobs: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(jobs);
  return settled.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message));
}

describe('ThreadPool', () => {
  it('gives every job its own result, however many threads there are', async () => {
    for (const threads of [1, 3]) {
      const pool = open({ threads });
      const values = Array.from({ length: 12 }, (_, i) => i);
      const jobs = values.map((value) => pool.run({ do: 'double', value }, { label: `job ${value}` }));
      expect(await Promise.all(jobs)).toEqual(values.map((value) => 2 * value));
    }
  });

  it('takes jobs in order and keeps a thread for the next one', async () => {
    const pool = open();
    const jobs = Array.from({ length: 4 }, () => pool.run({ do: 'count' }, { label: 'job' }));
    expect(await Promise.all(jobs)).toEqual([1, 2, 3, 4]);
    expect(await pool.run({ do: 'count' }, { label: 'job' })).toBe(5);
  });

  it('begins an error with the label, once, and goes on with the thread', async () => {
    const pool = open();
    const fail = (message: string) => pool.run({ do: 'fail', message }, { label: 'w of svhn' });
    const error = await fail('it broke').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MergeguardError);
    expect(await outcomes([fail('it broke'), fail('w of svhn broke')])).toEqual([
      'w of svhn: it broke',
      'w of svhn broke',
    ]);
    expect(await pool.run({ do: 'count' }, { label: 'job' })).toBe(4);
  });

  it('waits for work that takes turns of the event loop, one job after the other, and has its errors', async () => {
    const pool = open();
    const jobs: Order[] = [
      { do: 'wait', turns: 5, fail: null },
      { do: 'wait', turns: 2, fail: 'it broke later' },
      { do: 'count' },
    ];
    expect(await outcomes(jobs.map((order) => pool.run(order, { label: 'job' })))).toEqual([
      5,
      'job: it broke later',
      3,
    ]);
  });

  it('rejects the job whose thread dies, and does the next one in another', async () => {
    const pool = open();
    const jobs: Order[] = [{ do: 'die' }, { do: 'count' }, { do: 'answer with a function' }, { do: 'count' }];
    expect(await outcomes(jobs.map((order) => pool.run(order, { label: order.do })))).toEqual([
      'die: its thread ended with code 3',
      1,
      expect.stringMatching(/^answer with a function: .*could not be cloned/),
      3,
    ]);
  });

  it('starts in a thread whose module is not there with an error', async () => {
    const pool = open({ module: new URL('./no-worker', import.meta.url).href });
    await expect(pool.run({ do: 'count' }, { label: 'job' })).rejects.toThrow(
      /^job: its thread failed: .*no-worker/,
    );
  });

  it('stops a thread that takes too long; others are not held to its time', async () => {
    const pool = open({ timeLimitSeconds: 0.3 });
    // Starting up counts, so that the thread is there before.
    const ready = open({ timeLimitSeconds: 60 });
    await ready.run({ do: 'count' }, { label: 'job' });
    const jobs = [pool.run({ do: 'hang' }, { label: 'slow' }), ready.run({ do: 'count' }, { label: 'job' })];
    expect(await outcomes(jobs)).toEqual(['slow: it was not done within 0.3 s and was stopped', 2]);
  });

  it('moves buffers in and out', async () => {
    const values = new Float64Array(3);
    const filled = await open().run({ do: 'fill', values }, { label: 'job', transfer: [values.buffer] });
    expect(filled).toEqual(Float64Array.of(7, 7, 7));
    expect(values).toHaveLength(0);
  });

  it('rejects what can not be handed over, also when its turn comes later, and goes on', async () => {
    const pool = open();
    const { buffer } = new Float64Array(1);
    const values = new Float64Array(buffer);
    const bad = { do: 'double', value: () => 0 } as unknown as Order;
    const jobs = [
      pool.run(bad, { label: 'first' }),
      pool.run({ do: 'fill', values }, { label: 'second', transfer: [buffer] }),
      pool.run({ do: 'fill', values }, { label: 'third', transfer: [buffer] }),
      pool.run({ do: 'count' }, { label: 'fourth' }),
    ];
    expect(await outcomes(jobs)).toEqual([
      expect.stringMatching(/^first: it can't be handed over: .*could not be cloned/),
      Float64Array.of(7),
      expect.stringMatching(/^third: it did not arrive: /),
      2,
    ]);
  });

  it('rejects what is still open when it is closed, hanging or waiting, and what comes later', async () => {
    const pool = open({ threads: 2 });
    await pool.run({ do: 'count' }, { label: 'done' });
    const jobs: Order[] = [{ do: 'hang' }, { do: 'hang' }, { do: 'count' }];
    const open_ = outcomes(jobs.map((order, i) => pool.run(order, { label: `job ${i}` })));
    await pool.close();
    expect(await open_).toEqual(
      jobs.map((_, i) => `job ${i}: the thread pool was closed before it was done`),
    );
    await expect(pool.run({ do: 'count' }, { label: 'late' })).rejects.toThrow(
      'late: the thread pool is closed',
    );
    await pool.close();
  });

  it('lets a process end that leaves threads idle, and not before its jobs are done', async () => {
    const child = fileURLToPath(new URL('./idle-child.ts', import.meta.url));
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', child], { timeout: 50_000 });
    expect((await run).stdout).toBe('16 16 ');
  });
});
