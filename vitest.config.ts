import { configDefaults, defineConfig } from 'vitest/config';

/** Train pools of models, for the tables of the benchmarks: `npm run test:bench` (--mode bench) runs these, and nothing else. */
const OF_BENCHMARKS = ['test/zoo-bench/table.test.ts', 'test/steer-bench/table.test.ts'];

export default defineConfig(({ mode }) => ({
  test: {
    ...(mode === 'bench'
      ? { include: OF_BENCHMARKS }
      : { include: ['test/**/*.test.ts'], exclude: [...configDefaults.exclude, ...OF_BENCHMARKS] }),
    // tfjs keeps one backend and one set of variables a process: files do not share it.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
}));
