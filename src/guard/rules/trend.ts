import { z } from 'zod';
import { theilSen } from '../../steering/controller/index.js';
import { domainNote, predictedAccuracy } from './predicted.js';
import { commonOptions, defineRule, type Reading } from './rule.js';
import { counted, percent, threshold } from './words.js';

const options = z
  .strictObject({
    ...commonOptions('warning'),
    drop: z
      .number()
      .gt(0)
      .max(1)
      .default(0.03)
      .describe('raised when the predicted accuracy falls by this fraction over the window'),
    clearDrop: z
      .number()
      .min(-1)
      .max(1)
      .default(0.01)
      .describe('cleared when it falls by no more than this over the window'),
    ticks: z.number().int().min(3).max(200).default(10).describe('ticks in the window'),
  })
  .superRefine(({ clearDrop, drop }, context) => {
    if (clearDrop > drop) {
      const message = `is ${clearDrop}, but must be at most alerts.trend.drop (${drop})`;
      context.addIssue({ code: 'custom', path: ['clearDrop'], message });
    }
  });

interface Series {
  readonly quantity: 'raw' | 'normalised';
  readonly steps: number[];
  readonly values: number[];
}

/**
 * Predicted accuracy falling over the last ticks, per reference and merge method. The fall is the Theil-Sen slope
 * (median of the slopes of all pairs; Sen 1968) times the steps that the window spans, so that a single odd tick
 * raises nothing. A tick without a prediction is left out, and one that has not compared the pair; a change between raw and normalised starts afresh.
 */
export const trend = defineRule({
  options,
  create: ({ drop, clearDrop, ticks }) => {
    const seen = new Map<string, Series>();
    return (tick) => {
      const readings: Reading[] = [];
      for (const pair of tick.pairs) {
        for (const score of pair.scores) {
          const predicted = predictedAccuracy(score);
          if (predicted === null || pair.measuredAt !== undefined) {
            continue;
          }
          const key = JSON.stringify([pair.reference, score.method]);
          let series = seen.get(key);
          if (series?.quantity !== predicted.quantity) {
            series = { quantity: predicted.quantity, steps: [], values: [] };
            seen.set(key, series);
          }
          extend(series, tick.step, predicted.value, ticks);
          if (series.values.length < ticks) {
            continue;
          }
          const span = tick.step - series.steps[0]!;
          // 0 - x, so that no trend is 0 and not -0
          const fall = 0 - theilSen(series.steps, series.values) * span;
          readings.push({
            reference: pair.reference,
            method: score.method,
            signal: fall >= drop ? 'raise' : fall <= clearDrop ? 'clear' : 'hold',
            evidence: { fall, [predicted.quantity]: predicted.value, drop, clearDrop, steps: span },
            describe: (state) => ({
              title:
                state === 'raised'
                  ? `merging with ${pair.reference} by ${score.method} is getting worse: ${percent(fall)} in ${counted(span, 'step')} (alert at ${threshold(drop)})`
                  : `merging with ${pair.reference} by ${score.method} is no longer getting worse`,
              text: `Predicted ${predicted.quantity} accuracy is ${percent(predicted.value)} now; the trend is taken over the last ${counted(ticks, 'tick')}.${domainNote(score)}`,
            }),
          });
        }
      }
      return readings;
    };
  },
});

function extend(series: Series, step: number, value: number, most: number): void {
  series.steps.push(step);
  series.values.push(value);
  if (series.values.length > most) {
    series.steps.shift();
    series.values.shift();
  }
}
