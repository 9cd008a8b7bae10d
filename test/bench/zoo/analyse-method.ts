import { type HeldOut, leaveOneTaskOut, nestedCoverage } from '../../../src/fingerprint/cross-validate.js';
import { figuresOf } from '../../../src/fingerprint/figures.js';
import { Fitter, type FitterOptions } from '../../../src/fingerprint/fitter.js';
import {
  defaultPenalties,
  METRICS_ONLY_GRID,
  nestedPenalties,
  type Penalties,
  WITH_EFFECTS_GRID,
} from '../../../src/fingerprint/penalty.js';
import {
  examplesOf,
  planVariant,
  relabelledExamples,
  type VariantPlan,
} from '../../../src/fingerprint/plan.js';
import { sizeProblem } from '../../../src/fingerprint/table.js';
import { programOf } from './fit-predictor.js';
import { isUsable, type MethodRows } from './method-rows.js';
import { MEASUREMENTS, pairRows } from './pair-rows.js';
import { FURTHER_PREDICTORS, PREDICTORS } from './predictors.js';
import { TableFits } from './table-fits.js';
import type { ZooTable } from './zoo-table.js';

/** nominal coverage of the intervals */
export const LEVEL = 0.8;

export interface MethodOptions {
  readonly fits: FitterOptions;
  /** penalties on weights: chosen inside the training folds, or the default ones */
  readonly penalties: 'nested' | 'default';
  /** of the null */
  readonly relabellings: number;
}

/** One merge method in one table. */
export interface MethodAnalysis {
  readonly seed: number;
  /** real outcomes of the pairs, fractions */
  readonly truths: readonly number[];
  /** by predictor; one that is not here could not be fitted, a note says why */
  readonly predicted: Readonly<Record<string, Predicted>>;
  /** r in fold of metrics alone, with the metrics of the wrong tasks; one a relabelling */
  readonly relabelled: readonly (number | null)[];
  /** what was left out, a sentence each */
  readonly notes: readonly string[];
}

export interface Predicted {
  /** every pair twice, each time predicted without any pair of the fold's task */
  readonly heldOut: readonly HeldOut[];
  readonly coverage: number | null;
}

/** A table made ready: what every merge method is fitted on. */
export interface OpenTable {
  readonly seed: number;
  readonly options: MethodOptions;
  readonly methods: ReadonlyMap<string, OpenMethod>;
  readonly fits: TableFits;
}

interface OpenMethod {
  readonly plan: VariantPlan;
  readonly notes: readonly string[];
  /** null where there are too few rows to fit */
  readonly rows: MethodRows | null;
}

export function openTable(table: ZooTable, options: MethodOptions): OpenTable {
  const fitter = new Fitter(options.fits);
  const methods = new Map(table.methods.map((method) => [method, openMethod(table, method, fitter)]));
  const rows = [...methods.values()].flatMap((method) => method.rows ?? []);
  return { seed: table.seed, options, methods, fits: new TableFits(rows) };
}

function openMethod(table: ZooTable, method: string, fitter: Fitter): OpenMethod {
  const pairs = pairRows(table, method);
  const metrics = [...new Set(table.pairs.flatMap((pair) => Object.keys(pair.metrics)))];
  const plan = planVariant('zoo', method, pairs, [...metrics, ...MEASUREMENTS]);
  const notes = leftOut(plan, pairs.length);
  const problem = sizeProblem(plan.rows);
  if (problem !== null) {
    return { plan, notes: [...notes, `no fit: ${problem}`], rows: null };
  }
  const rows: MethodRows = {
    fitter,
    label: `seed ${table.seed}, ${table.tasks.length} tasks, ${method}`,
    columns: plan.features,
    metrics: plan.features.filter((name) => metrics.includes(name)).length,
    examples: examplesOf(plan.rows, plan),
  };
  return { plan, notes, rows };
}

/**
 * Leaves one task out at a time and predicts its pairs, by every predictor and on the same rows: those that have all
 * metrics and measurements.
 */
export async function analyseMethod(table: OpenTable, method: string): Promise<MethodAnalysis> {
  const { seed, options, fits } = table;
  const { plan, notes, rows } = table.methods.get(method) as OpenMethod;
  const truths = plan.rows.map(({ outcomes }) => outcomes[method] as number);
  if (rows === null) {
    return { seed, truths, predicted: {}, relabelled: [], notes };
  }
  const { examples } = rows;
  const usable = [...PREDICTORS, ...FURTHER_PREDICTORS].filter((predictor) => isUsable(predictor, rows));
  const chosen = new Map<string, Penalties>();
  const entries = await Promise.all(
    usable.map(async (predictor): Promise<[string, Predicted]> => {
      const grid = predictor.effects ? WITH_EFFECTS_GRID : METRICS_ONLY_GRID;
      const isFree = predictor.measurements.length > 0 || !predictor.metrics;
      const penalty =
        isFree || options.penalties === 'default'
          ? defaultPenalties(grid)
          : await nestedPenalties(examples, false, grid, (tried) =>
              programOf(rows, predictor, { all: tried, of: () => tried }),
            );
      chosen.set(predictor.name, penalty);
      const fit = fits.predictorOf(rows, predictor, penalty);
      const heldOut = await leaveOneTaskOut(examples, false, fit);
      const coverage = await nestedCoverage(heldOut, examples, false, LEVEL, fit);
      return [predictor.name, { heldOut, coverage }];
    }),
  );
  return {
    seed,
    truths,
    predicted: Object.fromEntries(entries),
    relabelled: await nullOf(plan, rows, options.relabellings, chosen.get('metrics')),
    notes,
  };
}

/** Metrics alone with the metrics of the wrong tasks, at the penalties that were chosen with the right ones. */
async function nullOf(
  plan: VariantPlan,
  rows: MethodRows,
  count: number,
  penalties: Penalties | undefined,
): Promise<(number | null)[]> {
  if (penalties === undefined) {
    return [];
  }
  const metricsOnly = PREDICTORS[0];
  const seeds = Array.from({ length: count }, (_, seed) => seed);
  return Promise.all(
    relabelledExamples(plan, seeds).map(async ({ seed, examples }) => {
      const label = `${rows.label}, relabelled ${seed}`;
      const fit = programOf({ ...rows, label }, metricsOnly, penalties);
      return figuresOf(await leaveOneTaskOut(examples, false, fit)).r;
    }),
  );
}

function leftOut({ dropped, rows }: VariantPlan, total: number): string[] {
  const notes = dropped.map(({ feature, reason }) => `${feature} is not used: ${reason}`);
  if (rows.length < total) {
    notes.push(
      `${total - rows.length} of ${total} pairs lack a metric, a measurement or their outcome: left out`,
    );
  }
  return notes;
}
