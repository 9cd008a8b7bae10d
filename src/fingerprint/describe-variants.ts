import { missingFeatures } from './availability.js';
import { FEATURE_GROUPS } from './feature-sets.js';
import { points, wrap } from './lines.js';
import type { Variant } from './schema.js';

/** Which variant a stream gets, the first whose weighted metrics are all there, and how far off it is then. */
export function describeVariants(variants: readonly Variant[]): string[] {
  const needs = variants.map((variant) => missingFeatures(variant, () => null));
  const isUsed = needs.map(
    (names, i) => !needs.slice(0, i).some((earlier) => earlier.every((name) => names.includes(name))),
  );
  const title = ['offers at least', 'variant', 'off by'].concat(
    variants[0].intervals.map(({ level }) => `${Math.round(100 * level)} %`),
  );
  const rows = variants.map(({ name, loto, intervals }, i) => [
    groupsOf(needs[i]).join(', ') || 'no metrics',
    name,
    points(loto.mae),
    ...intervals.map(({ halfWidth }) => `± ${points(halfWidth, 1)}`),
  ]);
  const table = [title, ...rows.filter((_, i) => isUsed[i])];
  const width = (column: number) => Math.max(...table.map((row) => row[column].length));
  const unused = variants.filter((_, i) => !isUsed[i]).map(({ name }) => name);
  return [
    '  Which variant a stream gets that',
    ...table.map(([offer, name, ...numbers]) => {
      const cells = numbers.map((number) => number.padStart(8)).join('');
      return `    ${offer.padEnd(width(0))}  ${name.padEnd(width(1))}${cells}`;
    }),
    ...(unused.length === 0
      ? []
      : wrap('    ', `Never used, since one above needs no more: ${unused.join(', ')}.`)),
  ];
}

/** The groups that hold the metrics; metrics of no group by their own names. */
function groupsOf(metrics: readonly string[]): string[] {
  const groups: [string, readonly string[]][] = Object.entries(FEATURE_GROUPS);
  const needed = groups.filter(([, members]) => metrics.some((metric) => members.includes(metric)));
  const others = metrics.filter((metric) => !groups.some(([, members]) => members.includes(metric)));
  return [...needed.map(([name]) => name), ...others];
}
