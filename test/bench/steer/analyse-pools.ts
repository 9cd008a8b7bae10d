import { mean, quantile } from '../../../src/fingerprint/statistics.js';
import { type OverSeeds, overSeeds } from '../common/over-seeds.js';
import { type GapFigures, gapFigures } from './gap.js';
import { allMean, onceEach, pairMean, singleMean } from './pool-means.js';
import type { PoolResult, PoolTable, StepCost } from './steer-table.js';
import { PLAIN } from './variant.js';

/** Raw accuracies of one way to train a pool; fractions. */
export interface PoolRow {
  /** each of its titles once */
  readonly title: string;
  /** one a seed: a control may be another in each */
  readonly titles: readonly string[];
  /** each once */
  readonly steps: readonly number[];
  readonly learningRates: readonly number[];
  readonly gradientEvaluations: number;
  readonly single: OverSeeds;
  /** merged pairs by method, and the mean over the headline methods */
  readonly pairs: Readonly<Record<string, OverSeeds>>;
  readonly pairsMean: OverSeeds;
  /** all models in one by method, mean over the tasks */
  readonly all: Readonly<Record<string, OverSeeds>>;
  readonly allMean: OverSeeds;
  /** of pairs by method, median */
  readonly coefficients: Readonly<Record<string, number>>;
}

/**
 * A variant against its compute-matched control, against the benchmark's plain training, and against plain training by the variant's
 * own steps and step size.
 */
export interface VariantFigures {
  readonly id: string;
  readonly title: string;
  /** what the control was in each seed */
  readonly controls: readonly string[];
  readonly steered: PoolRow;
  readonly matched: PoolRow;
  readonly plain: PoolRow;
  readonly ownPlain: PoolRow;
  readonly againstMatched: GapFigures;
  readonly againstPlain: GapFigures;
  readonly againstOwnPlain: GapFigures;
  /** against the control, one method alone */
  readonly methods: Readonly<Record<string, GapFigures>>;
  /** mean over the seeds; null where it was not measured, since nothing is done in a step */
  readonly stepCost: StepCost | null;
  readonly warnings: readonly string[];
}

export interface PoolsReport {
  readonly seeds: readonly number[];
  readonly tasks: readonly string[];
  readonly headline: readonly string[];
  readonly methods: readonly string[];
  readonly plain: PoolRow;
  readonly variants: readonly VariantFigures[];
}

/** @param seeds tables of the same tasks, methods and variants */
export function analysePools(
  seeds: readonly { readonly seed: number; readonly tasks: readonly string[]; readonly pools: PoolTable }[],
  resamples: number,
): PoolsReport {
  const [first] = seeds;
  const { headline, variants } = first!.pools;
  const tables = seeds.map(({ pools }) => pools);
  const plains = tables.map(({ results }) => results[PLAIN.id]!);
  const methods = Object.keys(plains[0]!.all);
  const row = (results: readonly PoolResult[]) => rowOf(results, methods, headline);
  return {
    seeds: seeds.map(({ seed }) => seed),
    tasks: first!.tasks,
    headline,
    methods,
    plain: row(plains),
    variants: variants.map(({ id, title }): VariantFigures => {
      const entries = tables.map((table) => table.variants.find((variant) => variant.id === id)!);
      const steered = tables.map(({ results }) => results[id]!);
      const matched = tables.map(({ results }, i) => results[entries[i]!.control]!);
      const owns = tables.map(({ results }, i) => results[entries[i]!.ownPlain]!);
      const against = (controls: readonly PoolResult[], some: readonly string[]) =>
        gapFigures(
          steered.map((result, i) => ({ steered: result, control: controls[i]! })),
          some,
          resamples,
        );
      return {
        id,
        title,
        controls: matched.map((result) => result.title),
        steered: row(steered),
        matched: row(matched),
        plain: row(plains),
        ownPlain: row(owns),
        againstMatched: against(matched, headline),
        againstPlain: against(plains, headline),
        againstOwnPlain: against(owns, headline),
        methods: Object.fromEntries(methods.map((method) => [method, against(matched, [method])])),
        stepCost: meanCost(entries.map(({ stepCost }) => stepCost)),
        warnings: [...new Set(steered.flatMap(({ warnings }) => warnings))],
      };
    }),
  };
}

function rowOf(
  results: readonly PoolResult[],
  methods: readonly string[],
  headline: readonly string[],
): PoolRow {
  const once = onceEach(Object.keys(results[0]!.single));
  const titles = results.map(({ title }) => title);
  const over = (of: (result: PoolResult) => number | null) => overSeeds(results.map(of));
  const byMethod = <Value>(of: (method: string) => Value): Record<string, Value> =>
    Object.fromEntries(methods.map((method) => [method, of(method)]));
  return {
    title: [...new Set(titles)].join('; '),
    titles,
    steps: [...new Set(results.map(({ steps }) => steps))],
    learningRates: [...new Set(results.map(({ learningRate }) => learningRate))],
    gradientEvaluations: mean(results.map(({ gradientEvaluations }) => gradientEvaluations)),
    single: over((result) => singleMean(result, once)),
    pairs: byMethod((method) => over((result) => pairMean(result, [method], once))),
    pairsMean: over((result) => pairMean(result, headline, once)),
    all: byMethod((method) => over((result) => allMean(result, [method], once))),
    allMean: over((result) => allMean(result, headline, once)),
    coefficients: byMethod((method) =>
      quantile(
        results.flatMap(({ pairs }) => pairs.map(({ merges }) => merges[method]!.coefficient)),
        0.5,
      ),
    ),
  };
}

/** Mean of what was measured. */
export function meanCost(costs: readonly (StepCost | null)[]): StepCost | null {
  const known = costs.filter((cost) => cost !== null);
  if (known.length === 0) {
    return null;
  }
  return {
    ratio: mean(known.map(({ ratio }) => ratio)),
    plainMs: mean(known.map(({ plainMs }) => plainMs)),
    steeredMs: mean(known.map(({ steeredMs }) => steeredMs)),
  };
}
