import { ThreadPool } from '../../src/threads/index.js';

// Never closes its pool: it must come to its end all the same, and not before the job is done.
const pool = new ThreadPool<object, number>({
  module: new URL('./odd-worker', import.meta.url).href,
  threads: 2,
  timeLimitSeconds: 500,
});
pool.run({ do: 'double', value: 21 }, { label: 'job' }).then((value) => process.stdout.write(`${value}`));
