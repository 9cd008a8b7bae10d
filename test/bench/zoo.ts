import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openBackend } from '../../src/backend/index.js';
import { duration, WorkProgress } from '../../src/cli/work-progress.js';
import { FINGERPRINT_METHODS as METHODS } from '../../src/merging/index.js';
import { MergeguardError, messageOf } from '../../src/tensors/index.js';
import { poolTaskNames } from '../../src/zoo/variant-tasks.js';
import { analyse, reportJson, reportLines } from './zoo/analyse.js';
import {
  LEAST_POOL_SIZE,
  POOL_SIZE,
  QUICK_POOL_SIZE,
  QUICK_RECIPES,
  RECIPES,
  TEST_SAMPLES,
} from './zoo/plan.js';
import { makeTable } from './zoo/table.js';
import { TableProgress } from './zoo/table-progress.js';
import type { ZooTable } from './zoo/zoo-table.js';

/**
 * What predicts a merge? A pool of real tasks is trained from one base, every pair merged by every method and evaluated on
 * all test images; then metrics, task effects, merge probes and self-probes predict the results of tasks they have not
 * seen: `npm run bench:zoo -- --data FOLDER`. Results are kept in the
 * cache's folder, so that a run that was stopped goes on where it was.
 */
const USAGE = `npm run bench:zoo -- --data FOLDER [--seeds 0,1,2] [--quick] [--json] [--cache FOLDER] [--threads N]

  --data     folder of task files (safetensors): omniglot-* train the base, the rest and their variants are the pool
  --seeds    a table for each; 0,1,2 by default, 0 with --quick
  --quick    one seed, 8 tasks instead of 10, a shorter fine-tuning, and weights are penalised as is usual rather than as fits best
  --json     the last line of the output is the result as JSON
  --cache    where models and results are kept; .mergeguard by default
  --threads  worker threads; as many as there are cores by default`;

/** Exit codes as of the command line: 1 failed, 2 bad usage. */
const FAILED = 1;
const BAD_USAGE = 2;

interface Options {
  readonly data: string;
  readonly seeds: readonly number[];
  readonly quick: boolean;
  readonly json: boolean;
  readonly cache: string;
  readonly threads: number;
}

const options = readArguments();
if (options !== null) {
  try {
    await run(options);
  } catch (error) {
    if (!(error instanceof MergeguardError)) {
      throw error;
    }
    console.error(error.message);
    process.exitCode = FAILED;
  }
}

/** null, said on standard error, where the arguments are none. */
function readArguments(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        data: { type: 'string' },
        seeds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        cache: { type: 'string', default: '.mergeguard' },
        threads: { type: 'string', default: String(availableParallelism()) },
      },
    });
    const { data, quick, json, cache } = values;
    if (data === undefined || data === '') {
      throw new Error('--data is missing: give a folder of task files');
    }
    const seeds = integers('--seeds', values.seeds ?? (quick ? '0' : '0,1,2'), 0);
    if (quick && seeds.length > 1) {
      throw new Error(`--quick has one seed, --seeds names ${seeds.length}; leave one of the two out`);
    }
    const [threads] = integers('--threads', values.threads, 1);
    return { data, seeds, quick, json, cache, threads: threads! };
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    process.exitCode = BAD_USAGE;
    return null;
  }
}

function integers(option: string, text: string, least: number): number[] {
  const values = text.split(',').map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (!values.every((value) => value >= least)) {
    throw new Error(`${option} "${text}": give integers from ${least} on, with commas between`);
  }
  if (new Set(values).size < values.length) {
    throw new Error(`${option} "${text}" names one twice`);
  }
  return values;
}

async function run({ data, seeds, quick, json, cache, threads }: Options): Promise<void> {
  const began = performance.now();
  const recipes = quick ? QUICK_RECIPES : RECIPES;
  const count = quick ? QUICK_POOL_SIZE : POOL_SIZE;
  const names = await poolTaskNames({ data, count, least: LEAST_POOL_SIZE });
  const backend = await openBackend('wasm');
  const models = names.pool.length;
  const pairs = (models * (models - 1)) / 2;
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${threads} threads, node ${process.version}, ${backend.description}`,
  );
  console.log(`base: ${names.pretraining.join(', ')}`);
  console.log(`pool: ${names.pool.join(', ')}`);
  console.log(
    `${pairs} pairs by ${METHODS.join(', ')}, at most ${TEST_SAMPLES} test images a task; seeds ${seeds.join(', ')}`,
  );
  const size = { models, methods: METHODS.length, recipes, threads };
  const progress = new TableProgress(process.stderr, size, seeds);
  const tables: ZooTable[] = [];
  try {
    for (const seed of seeds) {
      const { table, seconds } = await makeTable({
        ...names,
        data,
        seed,
        methods: METHODS,
        testSamples: TEST_SAMPLES,
        recipes,
        cache,
        threads,
        onProgress: progress.of(seed),
      });
      const took = Object.entries(seconds).map(([phase, time]) => `${phase} ${duration(time)}`);
      console.log(`seed ${seed}: ${took.join(', ')}`);
      tables.push(table);
    }
  } finally {
    progress.close();
  }
  const fits = new WorkProgress(process.stderr, (done, total) => `${done} of ${total} analyses`);
  const report = await analyse(tables, { quick, threads, onProgress: (step) => fits.show(step) });
  fits.close();
  console.log(reportLines(report).join('\n'));
  console.log(`${duration((performance.now() - began) / 1000)} all together`);
  if (json) {
    console.log(JSON.stringify(reportJson(report)));
  }
}
