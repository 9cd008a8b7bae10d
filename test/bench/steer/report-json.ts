import type { OverSeeds } from '../common/over-seeds.js';
import type { LiveFigures, LiveGains, LiveReport } from './analyse-live.js';
import type { PoolRow, PoolsReport, VariantFigures } from './analyse-pools.js';

type Nullable = number | null;

/** The last line of `bench:steer --json`. Shares are shares, accuracies per cent, differences points; null where there is none. */
export interface SteerJson {
  /** of the recommended steering: share of the pair gap closed against its compute-matched control */
  readonly gapClosed: Nullable;
  /** accuracy of its models alone against that of the control's, in points */
  readonly singleDelta: Nullable;
  /** step time over that of plain training */
  readonly stepCost: Nullable;
  /** by merge method */
  readonly methods: Readonly<Record<string, MethodJson>>;
}

/** Raw accuracies of pairs in per cent. */
export interface MethodJson {
  /** plain training of the same steps */
  readonly plain: Nullable;
  /** the compute-matched control */
  readonly matched: Nullable;
  readonly steered: Nullable;
  /** the control's models alone */
  readonly single: Nullable;
  /** the steered models alone */
  readonly singleSteered: Nullable;
  readonly gapClosed: Nullable;
}

/** @param id of the recommended steering */
export function reportJson(pools: PoolsReport | null, id: string): SteerJson {
  const recommended = pools?.variants.find((variant) => variant.id === id);
  if (!pools || !recommended) {
    return { gapClosed: null, singleDelta: null, stepCost: null, methods: {} };
  }
  const { gapClosed, single } = recommended.againstMatched;
  return {
    gapClosed: gapClosed?.value ?? null,
    singleDelta: inPoints(single.value),
    stepCost: costOf(recommended),
    methods: Object.fromEntries(pools.methods.map((method) => [method, methodJson(recommended, method)])),
  };
}

/** All variants and all terms: what the full run's line has beside the recommended steering. */
export function furtherJson(pools: PoolsReport | null, live: LiveReport | null): Record<string, unknown> {
  return {
    seeds: pools?.seeds ?? live?.seeds ?? [],
    variants: pools?.variants.map(variantJson) ?? [],
    live: live?.variants.map(liveJson) ?? [],
  };
}

function methodJson({ plain, matched, steered, methods }: VariantFigures, method: string): MethodJson {
  return {
    plain: inPoints(plain.pairs[method]!.mean),
    matched: inPoints(matched.pairs[method]!.mean),
    steered: inPoints(steered.pairs[method]!.mean),
    single: inPoints(matched.single.mean),
    singleSteered: inPoints(steered.single.mean),
    gapClosed: methods[method]!.gapClosed?.value ?? null,
  };
}

function variantJson(variant: VariantFigures): Record<string, unknown> {
  const { id, title, againstMatched: against, steered, methods } = variant;
  return {
    id,
    title,
    controls: variant.controls,
    gapClosed: against.gapClosed,
    gapClosedOfPlain: variant.againstPlain.gapClosed,
    gapClosedOfOwnPlain: variant.againstOwnPlain.gapClosed,
    singleDelta: inPoints(against.single.value),
    pairsDelta: inPoints(against.pairs.value),
    allDelta: inPoints(against.all.value),
    stepCost: costOf(variant),
    gradientEvaluations: steered.gradientEvaluations,
    learningRates: steered.learningRates,
    steered: rowJson(steered),
    matched: rowJson(variant.matched),
    ownPlain: rowJson(variant.ownPlain),
    methods: Object.fromEntries(Object.keys(methods).map((method) => [method, methodJson(variant, method)])),
  };
}

function rowJson({ title, single, pairsMean, allMean }: PoolRow): Record<string, unknown> {
  return {
    title,
    single: inPoints(single.mean),
    pairs: inPoints(pairsMean.mean),
    all: inPoints(allMean.mean),
  };
}

function liveJson(figures: LiveFigures): Record<string, unknown> {
  const { id, title, learningRate, single, raw, gradientEvaluations } = figures;
  return {
    id,
    title,
    learningRate,
    single: inPoints(single.mean),
    raw: byMethod(raw),
    againstOwnPlain: gainsJson(figures.againstOwnPlain),
    againstPlain: gainsJson(figures.againstPlain),
    gradientEvaluations,
    stepCost: figures.stepCost?.ratio ?? null,
  };
}

function gainsJson({ control, single, raw, lossClosed, references }: LiveGains): Record<string, unknown> {
  return {
    control,
    singleDelta: inPoints(single.mean),
    rawDelta: byMethod(raw),
    lossClosed,
    referencesDelta: inPoints(references.mean),
  };
}

function byMethod(values: Readonly<Record<string, OverSeeds>>): Record<string, Nullable> {
  return Object.fromEntries(Object.entries(values).map(([method, value]) => [method, inPoints(value.mean)]));
}

/** Where nothing is done in a step there is nothing to time: it costs what plain training does. */
function costOf({ stepCost }: VariantFigures): number {
  return stepCost?.ratio ?? 1;
}

function inPoints(fraction: Nullable): Nullable {
  return fraction === null ? null : 100 * fraction;
}
