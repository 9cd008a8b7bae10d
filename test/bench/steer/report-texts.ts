import { points, signedPoints } from '../../../src/fingerprint/lines.js';
import { type OverSeeds, overSeedsText } from '../common/over-seeds.js';
import { TASK_LEVEL } from '../common/task-bootstrap.js';
import type { Figure } from './gap.js';
import type { StepCost } from './steer-table.js';

/** of a line */
export const COLUMNS = 150;

export const TASKS_DRAWN = `${Math.round(100 * TASK_LEVEL)} % of resamples of the tasks`;

export function met(holds: boolean): string {
  return holds ? 'reached' : 'MISSED';
}

/** The hook's own words, each once. */
export function warningLines(variants: readonly { title: string; warnings: readonly string[] }[]): string[] {
  const lines = variants.flatMap(({ title, warnings }) =>
    warnings.map((warning) => `  ${title}: ${warning}`),
  );
  return lines.length === 0 ? [] : ['', 'What the hook had to say:', ...lines];
}

export function seedsText(seeds: readonly number[]): string {
  return seeds.length === 1
    ? `seed ${seeds[0]}: one seed, so no spread`
    : `seeds ${seeds.join(', ')}; ± is the standard deviation over the seeds`;
}

export function percents(value: OverSeeds): string {
  return overSeedsText(value, 100, 1);
}

/** A change in points, with its sign. */
export function change(value: OverSeeds): string {
  const text = overSeedsText(value, 100, 2);
  return Number.parseFloat(text) > 0 ? `+${text}` : text;
}

export function deltaText({ value, spread }: Figure): string {
  return spread === null ? signedPoints(value) : `${signedPoints(value)} ± ${points(spread)}`;
}

export function shareText(share: Pick<Figure, 'value' | 'spread'> | null): string {
  if (share === null) {
    return '-';
  }
  const { value, spread } = share;
  return spread === null ? points(value, 0) : `${points(value, 0)} ± ${points(spread, 0)}`;
}

/** "12 to 34": whole per cent. */
export function percentRange([low, high]: readonly [number, number]): string {
  return `${points(low, 0)} to ${points(high, 0)}`;
}

export function costText(cost: StepCost | null): string {
  return cost === null ? '-' : `${cost.ratio.toFixed(2)} x`;
}
