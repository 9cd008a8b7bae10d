import { join } from 'node:path';
import { applyTau, mergeMethod } from '../../../src/merging/index.js';
import { mapWithin } from '../../../src/threads/index.js';
import type { Recipes } from '../../../src/zoo/pool.js';
import type { PoolNames, TaskSource } from '../../../src/zoo/variant-tasks.js';
import { ZooEvaluators } from '../../../src/zoo/zoo-evaluators.js';
import { Units } from '../common/units.js';
import { evaluateCalibration, evaluateParts } from './evaluate-parts.js';
import { hookMetrics } from './hook-metrics.js';
import { openZoo, type Zoo, type ZooModel } from './open-zoo.js';
import type { PartsEvaluated, ZooPair, ZooTable } from './zoo-table.js';

/** Raised when a result comes to mean something else, so that those in a cache are made again. */
const FORMAT = 1;

/** What the self-probe scales a task vector by. */
const HALF = 0.5;

export interface TableOptions extends TaskSource, PoolNames {
  /** merge ids */
  readonly methods: readonly string[];
  /** test images of a task at most; all by default */
  readonly testSamples?: number;
  readonly recipes: Recipes;
  /** folder; null: nothing is kept */
  readonly cache: string | null;
  readonly threads: number;
  readonly onProgress?: OnTableProgress;
}

/** How much of which phase is done. */
export type OnTableProgress = (phase: TablePhase, done: number, total: number) => void;
export type TablePhase = 'pretrain' | 'fine-tune' | 'own models' | 'metrics' | 'merges';

export interface MadeTable {
  readonly table: ZooTable;
  /** pieces of work that the cache did not hold, trainings apart */
  readonly made: number;
  /** seconds, by phase */
  readonly seconds: Readonly<Record<TablePhase, number>>;
}

/** One seed of the benchmark: trains the pool, merges and evaluates every pair by every method, measures the metrics. */
export async function makeTable(options: TableOptions): Promise<MadeTable> {
  const { seed, pool, methods, cache, threads } = options;
  const evaluators = await ZooEvaluators.open({ threads, data: options.data, seed });
  try {
    const units = await Units.open(cache === null ? null : join(cache, 'zoo-bench'));
    const times = new Times(options.onProgress);
    const zoo = await trainZoo(options, evaluators, times);
    const work = new TableWork(zoo, options, evaluators, units, times);
    const own = await work.own();
    const metrics = await work.metrics();
    const pairs = await work.pairs(metrics);
    const table: ZooTable = { seed, tasks: pool, methods, pairs, ...own };
    return { table, made: units.made, seconds: times.seconds };
  } finally {
    await evaluators.close();
  }
}

function trainZoo(options: TableOptions, fineTuner: ZooEvaluators, times: Times): Promise<Zoo> {
  let tuned = 0;
  return openZoo({
    ...options,
    fineTuner,
    onProgress: (phase, done, total) => {
      if (phase === 'pretrain') {
        times.at('pretrain', done, total);
      } else {
        tuned += 1;
        times.at('fine-tune', tuned, options.pool.length);
      }
    },
  });
}

/** The parts of a table, each from the cache where it holds them. */
class TableWork {
  readonly #zoo: Zoo;
  readonly #options: TableOptions;
  readonly #evaluators: ZooEvaluators;
  readonly #units: Units;
  readonly #times: Times;

  constructor(zoo: Zoo, options: TableOptions, evaluators: ZooEvaluators, units: Units, times: Times) {
    this.#zoo = zoo;
    this.#options = options;
    this.#evaluators = evaluators;
    this.#units = units;
    this.#times = times;
  }

  /** Every model alone, and at half its task vector. */
  async own(): Promise<Pick<ZooTable, 'own' | 'half'>> {
    const { base, models } = this.#zoo;
    const { testSamples } = this.#options;
    const results = await this.#all('own models', models, ({ name, identity, reference, head }) =>
      this.#units.get(`own-${name}`, [FORMAT, identity, HALF, testSamples], async () => {
        const scaled = (scale: number) => ({ encoder: applyTau(base, reference.tau, scale), head });
        return {
          own: await evaluateParts(this.#evaluators, name, scaled(1), testSamples),
          half: { calibration: await evaluateCalibration(this.#evaluators, name, scaled(HALF)) },
        };
      }),
    );
    const byTask = <Value>(value: (result: (typeof results)[number]) => Value) =>
      Object.fromEntries(models.map(({ name }, index) => [name, value(results[index]!)]));
    return { own: byTask(({ own }) => own), half: byTask(({ half }) => half) };
  }

  /** [task] the metrics with each task after it. The guard measures here, one model after the other. */
  async metrics(): Promise<Record<string, ZooPair['metrics']>[]> {
    const { models } = this.#zoo;
    const found: Record<string, ZooPair['metrics']>[] = [];
    for (const [index, live] of models.slice(0, -1).entries()) {
      const partners = models.slice(index + 1);
      const inputs = [FORMAT, live.identity, partners.map(({ identity }) => identity)];
      found.push(
        await this.#units.get(`metrics-${live.name}`, inputs, () => hookMetrics(this.#zoo, live, partners)),
      );
      this.#times.at('metrics', index + 1, models.length - 1);
    }
    return found;
  }

  async pairs(metrics: readonly Record<string, ZooPair['metrics']>[]): Promise<ZooPair[]> {
    const { models } = this.#zoo;
    const { methods } = this.#options;
    const pairs = models.flatMap((a, i) => models.slice(i + 1).map((b) => ({ a, b, metrics: metrics[i]! })));
    const merges = pairs.flatMap(({ a, b }) => methods.map((method) => ({ a, b, method })));
    const results = await this.#all('merges', merges, (merge) => this.#merge(merge));
    return pairs.map(({ a, b, metrics }, index) => ({
      a: a.name,
      b: b.name,
      metrics: metrics[b.name]!,
      merges: Object.fromEntries(methods.map((method, m) => [method, results[index * methods.length + m]!])),
    }));
  }

  #merge({
    a,
    b,
    method,
  }: {
    a: ZooModel;
    b: ZooModel;
    method: string;
  }): Promise<Record<'a' | 'b', PartsEvaluated>> {
    const { base } = this.#zoo;
    const { testSamples } = this.#options;
    const { id, parameters, merge } = mergeMethod(method);
    const inputs = [FORMAT, id, parameters, a.identity, b.identity, testSamples];
    return this.#units.get(`merge-${a.name}--${b.name}-${id}`, inputs, async () => {
      const encoder = applyTau(base, merge([a.reference.tau, b.reference.tau], base));
      const [onA, onB] = await Promise.all(
        [a, b].map(({ name, head }) => evaluateParts(this.#evaluators, name, { encoder, head }, testSamples)),
      );
      return { a: onA!, b: onB! };
    });
  }

  /** A few more at a time than there are threads, which then never wait for a merge. */
  #all<Item, Result>(
    phase: TablePhase,
    items: readonly Item[],
    work: (item: Item) => Promise<Result>,
  ): Promise<Result[]> {
    let done = 0;
    return mapWithin(items, { budget: 2 * this.#options.threads, weight: () => 1 }, async (item) => {
      const result = await work(item);
      done += 1;
      this.#times.at(phase, done, items.length);
      return result;
    });
  }
}

/** Tells how far a table is and adds up how long its phases took. */
class Times {
  readonly seconds: Record<TablePhase, number> = {
    pretrain: 0,
    'fine-tune': 0,
    'own models': 0,
    metrics: 0,
    merges: 0,
  };
  readonly #onProgress: OnTableProgress;
  #since = performance.now();

  constructor(onProgress: OnTableProgress = () => {}) {
    this.#onProgress = onProgress;
  }

  /** The time since the last call was the phase's. */
  at(phase: TablePhase, done: number, total: number): void {
    const now = performance.now();
    this.seconds[phase] += (now - this.#since) / 1000;
    this.#since = now;
    this.#onProgress(phase, done, total);
  }
}
