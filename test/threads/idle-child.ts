import { ThreadPool } from '../../src/threads/index.js';

// Never closes its pools: it must come to its end all the same, and not before the jobs are done.
const module = new URL('./odd-worker', import.meta.url).href;
for (const limit of [{}, { timeLimitSeconds: 500 }]) {
  const pool = new ThreadPool<object, number>({ module, threads: 2, ...limit });
  const double = (value: number) => pool.run({ do: 'double', value }, { label: 'job' });
  // The second job finds a thread that was idle.
  process.stdout.write(`${await double(await double(4))} `);
}
