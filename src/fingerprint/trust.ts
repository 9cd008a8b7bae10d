import { correlation, percent, points, pointsRange, signedPoints } from './lines.js';
import type { Variant } from './schema.js';

/** What the metrics do beside effects, and whether metrics alone know more than who the partner is. */
export interface Verdicts {
  /** null where the variant has no metrics */
  readonly gain: 'help' | 'make no difference' | 'do harm' | null;
  /** null where it was not tried, or too seldom to say */
  readonly signal: boolean | null;
}

/** With fewer relabellings the 95 % point is about the largest of them, and one noise in a few passes it. */
const LEAST_RELABELLINGS = 19;

/** By the bootstrap interval, not by the figure alone: a gain whose interval spans zero is none. */
export function verdictsOf({ bootstrap, metricsOnly, null: nulls }: Variant): Verdicts {
  const tried =
    metricsOnly !== null && nulls !== null && nulls.r95 !== null && nulls.count >= LEAST_RELABELLINGS;
  return {
    gain: bootstrap.gain === null ? null : gainVerdict(bootstrap.gain),
    signal: tried ? metricsOnly.r !== null && metricsOnly.r > (nulls.r95 as number) : null,
  };
}

function gainVerdict([low, high]: readonly [number, number]): Verdicts['gain'] {
  if (low > 0) {
    return 'help';
  }
  return high < 0 ? 'do harm' : 'make no difference';
}

/** How far off the predictions are on tasks that the fit had not seen, a sentence each. */
export function describeErrors({ loto, bootstrap, intervals }: Variant, level: number): string[] {
  const ranges = intervals.map((interval) => {
    const held =
      interval.level === level && loto.coverage !== null
        ? ` (held in ${percent(loto.coverage)} of the merges)`
        : '';
    return `${percent(interval.level)} ± ${points(interval.halfWidth, 1)}${held}`;
  });
  const spread =
    bootstrap.r === null ? '' : ` (${correlation(bootstrap.r[0])} to ${correlation(bootstrap.r[1])})`;
  return [
    `off by ${points(loto.mae)} points on average (${pointsRange(bootstrap.mae)} in ` +
      `${percent(bootstrap.level)} of resamples of the tasks); ranks the partners of a task with r ` +
      `${correlation(loto.r)}${spread}`,
    `intervals: ${ranges.join(', ')}`,
  ];
}

/** Against what needs no metrics, in so many words where they do not beat it, a sentence each. */
export function describeTrust(variant: Variant): string[] {
  const { loto, bootstrap, effectsOnly, metricsOnly, null: nulls } = variant;
  const { gain, signal } = verdictsOf(variant);
  const lines: string[] = [];
  if (effectsOnly !== null && bootstrap.gain !== null) {
    const change = effectsOnly.mae - loto.mae;
    lines.push(
      `effects alone, without metrics, are off by ${points(effectsOnly.mae)}: the metrics ${gain} ` +
        `(${signedPoints(change)}; ${signedPoints(bootstrap.gain[0])} to ${signedPoints(bootstrap.gain[1])} in ` +
        `${percent(bootstrap.level)} of resamples; more than 0 is better)`,
    );
  }
  if (metricsOnly !== null) {
    lines.push(
      `metrics alone, without effects, are off by ${points(metricsOnly.mae)} and rank with r ` +
        `${correlation(metricsOnly.r)}; ${againstNull(nulls, signal)}`,
    );
  }
  return lines;
}

function againstNull(nulls: Variant['null'], signal: boolean | null): string {
  if (nulls === null || nulls.r95 === null) {
    return 'metrics of the wrong tasks were not tried, so whether that is more than recognising the partner is unknown';
  }
  if (signal === null) {
    return (
      `with metrics of the wrong tasks r is ${correlation(nulls.meanR)}; ${nulls.count} relabellings are too few to ` +
      `say whether they carry signal, ${LEAST_RELABELLINGS} are needed`
    );
  }
  const verdict = signal
    ? 'there is signal in them'
    : 'there is no signal in them beyond recognising the partner, do not read the weights';
  return (
    `with metrics of the wrong tasks r is ${correlation(nulls.meanR)}, and ${correlation(nulls.r95)} at the 95 % ` +
    `point of ${nulls.count} relabellings: ${verdict}`
  );
}
