import { z } from 'zod';
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
          const subject = `merging with ${pair.reference} by ${score.method} is predicted at ${percent(value)}`;
          readings.push({
            reference: pair.reference,
            method: score.method,
            signal: value < below ? 'raise' : value >= clearAbove ? 'clear' : 'hold',
            evidence: { [quantity]: value, low: score.low, high: score.high, below, clearAbove },
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

function explain(quantity: 'raw' | 'normalised', own: number | null): string {
  if (quantity === 'raw' && own !== null) {
    return `Raw accuracy of the merged model on the live task; the live model by itself reaches ${percent(own)}.`;
  }
  return 'Normalised accuracy: the merged model relative to the live model by itself, whose own accuracy is not known (no self-probe so far).';
}
