import { z } from 'zod';
import type { Score } from '../events.js';
import { domainNote, predictedAccuracy } from './predicted.js';
import { commonOptions, defineRule, type Reading } from './rule.js';
import { percent, threshold } from './words.js';

const options = z
  .strictObject({
    ...commonOptions('warning'),
    below: z
      .number()
      .min(0)
      .max(1)
      .default(0.85)
      .describe('raised when the predicted accuracy after merging falls below this fraction'),
    clearAbove: z.number().min(0).max(1).default(0.87).describe('cleared when it is back at this fraction'),
  })
  .superRefine(({ clearAbove, below }, context) => {
    if (clearAbove < below) {
      const message = `is ${clearAbove}, but must be at least alerts.accuracy.below (${below})`;
      context.addIssue({ code: 'custom', path: ['clearAbove'], message });
    }
  });

/** Predicted accuracy after merging under a threshold, per reference and merge method. No state. */
export const accuracy = defineRule({
  options,
  create: ({ below, clearAbove }) => {
    return (tick) => {
      const readings: Reading[] = [];
      for (const pair of tick.pairs) {
        for (const score of pair.scores) {
          const predicted = predictedAccuracy(score);
          if (predicted === null) {
            continue;
          }
          const { quantity, value } = predicted;
          const subject = `merging with ${pair.reference} by ${score.method} is predicted at ${percent(value)} ${quantity}`;
          readings.push({
            reference: pair.reference,
            method: score.method,
            signal: value < below ? 'raise' : value >= clearAbove ? 'clear' : 'hold',
            evidence: { [quantity]: value, ...interval(score, value), below, clearAbove },
            describe: (state) => ({
              title:
                state === 'raised'
                  ? `${subject} (alert below ${threshold(below)})`
                  : `${subject} again (cleared at ${threshold(clearAbove)})`,
              text: explain(quantity, tick.selfProbe?.accuracy ?? null) + domainNote(score),
            }),
          });
        }
      }
      return readings;
    };
  },
});

/** The interval in the quantity that is judged. */
function interval({ value, low, high }: Score, judged: number): { low: number | null; high: number | null } {
  if (value === null || value === 0 || low === null || high === null) {
    return { low: null, high: null };
  }
  return { low: (low * judged) / value, high: (high * judged) / value };
}

function explain(quantity: 'raw' | 'normalised', own: number | null): string {
  if (quantity === 'raw' && own !== null) {
    return `Predicted normalised accuracy (the mean of both tasks) times the live model's own accuracy, which is ${percent(own)}.`;
  }
  return 'Normalised accuracy: the merged model relative to the live model by itself, whose own accuracy is not known (no self-probe so far).';
}
