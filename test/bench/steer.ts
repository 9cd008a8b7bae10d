import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openBackend } from '../../src/backend/index.js';
import { duration } from '../../src/cli/work-progress.js';
import { MergeguardError, messageOf } from '../../src/tensors/index.js';
import { poolTaskNames } from '../../src/zoo/variant-tasks.js';
import { analyseLive } from './steer/analyse-live.js';
import { analysePools } from './steer/analyse-pools.js';
import { liveAims, liveLines } from './steer/live-lines.js';
import * as plan from './steer/plan.js';
import { SteerProgress } from './steer/progress.js';
import { furtherJson, reportJson } from './steer/report-json.js';
import { poolAims, poolLines } from './steer/report-lines.js';
import type { SteerTable } from './steer/steer-table.js';
import { makeSteerTable, type SteerPlan } from './steer/table.js';
import type { Variant } from './steer/variant.js';

/**
 * Does steering make models merge better? Pools of real tasks are trained plain and steered, every pair is really merged with its
 * coefficient tuned, and steered pools are held against plain ones that cost as many gradient evaluations:
 * `npm run bench:steer -- --data FOLDER`. Models and results are kept in the cache's folder, so that a run that was stopped goes on where
 * it was.
 */
const USAGE = `npm run bench:steer -- --data FOLDER [--quick] [--json] [--seeds 0,1,2] [--part all] [--only IDS] [--cache FOLDER] [--threads N]

  --data     folder of task files (safetensors): omniglot-* train the base, the rest and their variants are the pool
  --quick    one seed, the recommended steering and its controls only, a shorter fine-tuning
  --json     the last line of the output is the result as JSON
  --seeds    of whole pools ${plan.SEEDS.join(',')} by default, of live models ${plan.LIVE_SEEDS.join(',')}; 0 with --quick
  --part     pools: all models of a pool steered; live: one model against fixed references; all by default, pools with --quick
  --only     of the variants of test/bench/steer/plan.ts these alone, by id, and their controls
  --cache    where models and results are kept; .mergeguard by default
  --threads  worker threads; as many as there are cores by default`;

/** Exit codes as of the command line: 1 failed, 2 bad usage. */
const FAILED = 1;
const BAD_USAGE = 2;
/** of the bootstrap over tasks */
const RESAMPLES = 2000;

type Part = 'pools' | 'live' | 'all';

interface Options {
  readonly data: string;
  readonly quick: boolean;
  readonly json: boolean;
  readonly seeds: readonly number[] | null;
  readonly part: Part;
  /** ids of variants; null: all */
  readonly only: readonly string[] | null;
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
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        seeds: { type: 'string' },
        part: { type: 'string' },
        only: { type: 'string' },
        cache: { type: 'string', default: '.mergeguard' },
        threads: { type: 'string', default: String(availableParallelism()) },
      },
    });
    const { data, quick, json, cache } = values;
    if (data === undefined || data === '') {
      throw new Error('--data is missing: give a folder of task files');
    }
    const part = values.part ?? (quick ? 'pools' : 'all');
    if (!isPart(part)) {
      throw new Error(`--part "${part}": give pools, live or all`);
    }
    if (quick && part !== 'pools') {
      throw new Error(`--quick has pools only, --part says ${part}; leave one of the two out`);
    }
    const seeds = values.seeds === undefined ? null : integers('--seeds', values.seeds, 0);
    if (quick && seeds !== null && seeds.length > 1) {
      throw new Error(`--quick has one seed, --seeds names ${seeds.length}; leave one of the two out`);
    }
    const only = values.only?.split(',').map((id) => id.trim()) ?? null;
    const variants = { pools: plan.POOL_VARIANTS, live: plan.LIVE_VARIANTS };
    const known = (part === 'all' ? Object.values(variants).flat() : variants[part]).map(({ id }) => id);
    const unknown = only?.filter((id) => !known.includes(id)) ?? [];
    if (unknown.length > 0) {
      throw new Error(`--only ${unknown.join(',')}: there is ${[...new Set(known)].join(', ')}`);
    }
    if (quick && only !== null) {
      throw new Error(
        '--quick has the recommended steering only, --only names others; leave one of the two out',
      );
    }
    const [threads] = integers('--threads', values.threads, 1);
    return { data, quick, json, seeds, part, only, cache, threads: threads! };
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    process.exitCode = BAD_USAGE;
    return null;
  }
}

function isPart(text: string): text is Part {
  return ['pools', 'live', 'all'].includes(text);
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

function fullPlan(only: readonly string[] | null): SteerPlan {
  const chosen = (variants: readonly Variant[]) =>
    variants.filter(({ id }) => only === null || only.includes(id));
  return {
    baseRecipes: plan.BASE_RECIPES,
    fineTuning: plan.FINE_TUNING,
    samples: plan.SAMPLES,
    headline: plan.HEADLINE,
    stepBlocks: plan.STEP_BLOCKS,
    pools: {
      variants: chosen(plan.POOL_VARIANTS),
      further: plan.FURTHER,
      learningRates: plan.CONTROL_LEARNING_RATES,
    },
    live: {
      variants: chosen(plan.LIVE_VARIANTS),
      lives: plan.LIVE_TASKS,
      references: plan.LIVE_REFERENCES,
    },
  };
}

function quickPlan(): SteerPlan {
  return {
    ...fullPlan(null),
    baseRecipes: plan.QUICK_BASE_RECIPES,
    fineTuning: plan.QUICK_FINE_TUNING,
    samples: plan.QUICK_SAMPLES,
    pools: {
      variants: [plan.DEFAULT],
      further: [],
      learningRates: plan.QUICK_CONTROL_LEARNING_RATES,
    },
    live: null,
  };
}

async function run({ data, quick, json, seeds, part, only, cache, threads }: Options): Promise<void> {
  const began = performance.now();
  const whole = quick ? quickPlan() : fullPlan(only);
  const poolSeeds = part === 'live' ? [] : (seeds ?? (quick ? [0] : plan.SEEDS));
  const liveSeeds = part === 'pools' ? [] : (seeds ?? plan.LIVE_SEEDS);
  const names = await poolTaskNames({
    data,
    count: plan.POOL_SIZE,
    least: plan.LEAST_POOL_SIZE,
    first: plan.FIRST_VARIANTS,
  });
  const backend = await openBackend('wasm');
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${threads} threads, node ${process.version}, ${backend.description}`,
  );
  console.log(`base: ${names.pretraining.join(', ')}`);
  console.log(`pool: ${names.pool.join(', ')}`);
  const planOf = (seed: number): SteerPlan => ({
    ...whole,
    pools: poolSeeds.includes(seed) ? whole.pools : null,
    live: liveSeeds.includes(seed) ? whole.live : null,
  });
  const all = [...new Set([...poolSeeds, ...liveSeeds])];
  const progress = new SteerProgress(
    process.stderr,
    { models: names.pool.length, threads },
    all.map((seed) => ({ seed, plan: planOf(seed) })),
  );
  const tables: SteerTable[] = [];
  try {
    for (const seed of all) {
      const onWork = progress.of(seed);
      tables.push(await makeSteerTable({ ...names, data, seed, plan: planOf(seed), cache, threads, onWork }));
    }
  } finally {
    progress.close();
  }
  const pooled = tables.flatMap(({ pools, ...table }) => (pools ? [{ ...table, pools }] : []));
  const lived = tables.flatMap(({ live, ...table }) => (live ? [{ ...table, live }] : []));
  const pools = pooled.length > 0 ? analysePools(pooled, RESAMPLES) : null;
  const live = lived.length > 0 ? analyseLive(lived, RESAMPLES) : null;
  const lines = [
    ...(pools ? ['', ...poolLines(pools), '', ...poolAims(pools, plan.DEFAULT.id)] : []),
    ...(live ? ['', ...liveLines(live), '', ...liveAims(live, plan.DEFAULT.id)] : []),
  ];
  console.log(lines.join('\n'));
  console.log(`${duration((performance.now() - began) / 1000)} all together`);
  if (json) {
    console.log(
      JSON.stringify({ ...reportJson(pools, plan.DEFAULT.id), ...(quick ? {} : furtherJson(pools, live)) }),
    );
  }
}
