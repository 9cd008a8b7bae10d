import { WorkProgress } from '../../../src/cli/work-progress.js';
import type { Recipes } from '../../../src/zoo/pool.js';
import type { OnTableProgress, TablePhase } from './table.js';

/** Seconds of one training step, one evaluation of 1,000 images and one guard with its metrics, roughly: they only weigh the phases. */
const STEP = 0.04;
const EVALUATION = 0.35;
const GUARD = 2;

export interface TableSize {
  readonly models: number;
  readonly methods: number;
  readonly recipes: Recipes;
  readonly threads: number;
}

/** How far all tables together are and the time left, by what each phase is known to cost. */
export class TableProgress {
  readonly #bar: WorkProgress;
  readonly #costs: Record<TablePhase, number>;
  readonly #seeds: readonly number[];

  constructor(
    err: NodeJS.WriteStream,
    { models, methods, recipes, threads }: TableSize,
    seeds: readonly number[],
  ) {
    const pairs = (models * (models - 1)) / 2;
    const { pretraining, fineTuning } = recipes;
    this.#seeds = seeds;
    this.#costs = {
      pretrain: pretraining.steps * STEP,
      'fine-tune': (models * fineTuning.steps * STEP) / threads,
      'own models': (models * 2 * EVALUATION) / threads,
      metrics: models * GUARD,
      merges: (pairs * methods * 2 * EVALUATION) / threads,
    };
    this.#bar = new WorkProgress(err, (done, total) => `${Math.round((100 * done) / total)} % of the work`);
  }

  /** Of the table of that seed. */
  of(seed: number): OnTableProgress {
    const phases = Object.keys(this.#costs) as TablePhase[];
    const whole = sum(Object.values(this.#costs));
    const before = this.#seeds.indexOf(seed) * whole;
    return (phase, done, total) => {
      const finished = sum(phases.slice(0, phases.indexOf(phase)).map((one) => this.#costs[one]));
      this.#bar.show({
        done: before + finished + (this.#costs[phase] * done) / total,
        total: this.#seeds.length * whole,
        label: `seed ${seed}: ${phase} ${done}/${total}`,
      });
    };
  }

  close(): void {
    this.#bar.close();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
