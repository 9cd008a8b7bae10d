import { z } from 'zod';
import type { PairReport } from '../events.js';
import { commonOptions, defineRule, type Reading } from './rule.js';
import { counted, some } from './words.js';

const options = z.strictObject({
  ...commonOptions('info'),
  ticks: z
    .number()
    .int()
    .min(1)
    .default(3)
    .describe('raised after this many ticks outside without a break, cleared after as many inside'),
});

/**
 * The live metrics lie outside the domain on which the fingerprint was fitted, for any merge method. One alert a
 * reference, however many metrics or methods it concerns; ticks without any prediction are passed over, and those that have
 * not compared the pair.
 */
export const domain = defineRule({
  options,
  create: ({ ticks }) => {
    /** ticks in a row: positive outside, negative inside */
    const rows = new Map<string, number>();
    return (tick) => {
      const readings: Reading[] = [];
      for (const pair of tick.pairs) {
        const known = pair.scores.filter((score) => score.value !== null);
        if (known.length === 0 || pair.measuredAt !== undefined) {
          continue;
        }
        const isOutside = known.some((score) => !score.inDomain);
        const before = rows.get(pair.reference) ?? 0;
        const row = isOutside ? Math.max(before, 0) + 1 : Math.min(before, 0) - 1;
        rows.set(pair.reference, row);
        const outside = outsideMetrics(pair);
        readings.push({
          reference: pair.reference,
          signal: row >= ticks ? 'raise' : row <= -ticks ? 'clear' : 'hold',
          evidence: { ticks: Math.abs(row), metrics: outside.size, ...Object.fromEntries(outside) },
          describe: (state) =>
            state === 'raised'
              ? {
                  title: `predictions for ${pair.reference} are outside the domain of the fingerprint for ${counted(row, 'tick')}`,
                  text: `Outside the range on which it was fitted: ${some([...outside.keys()]) || 'metrics that could not be computed'}. A fingerprint is right only for models like those it was fitted on; calibrate one on your own references.`,
                }
              : {
                  title: `predictions for ${pair.reference} are inside the domain of the fingerprint again`,
                  text: `All metrics lie in the range on which it was fitted, for ${counted(-row, 'tick')}.`,
                },
        });
      }
      return readings;
    };
  },
});

/** Live value by metric that lies outside for any method. */
function outsideMetrics(pair: PairReport): Map<string, number> {
  const outside = new Map<string, number>();
  for (const score of pair.scores) {
    for (const { metric, value } of score.outside) {
      outside.set(metric, value);
    }
  }
  return outside;
}
