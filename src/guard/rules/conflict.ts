import { z } from 'zod';
import { commonOptions, defineRule, type Reading } from './rule.js';
import { counted } from './words.js';

const METRIC = 'encoder_gradient_cosine_similarity';

const options = z
  .strictObject({
    ...commonOptions('warning'),
    below: z
      .number()
      .min(-1)
      .max(1)
      .default(-0.05)
      .describe('the gradients are in conflict when their cosine lies below this'),
    clearAbove: z.number().min(-1).max(1).default(0).describe('cleared when the cosine is back at this'),
    ticks: z
      .number()
      .int()
      .min(1)
      .default(5)
      .describe('raised after this many ticks in conflict without a break'),
  })
  .superRefine(({ clearAbove, below }, context) => {
    if (clearAbove < below) {
      const message = `is ${clearAbove}, but must be at least alerts.conflict.below (${below})`;
      context.addIssue({ code: 'custom', path: ['clearAbove'], message });
    }
  });

/**
 * The live gradient points against a reference's for several ticks on end. A tick in which the cosine could not be
 * computed, or whose gradient is none that the ticks before have not seen, neither counts nor breaks the row; nor one that has
 * left the reference out.
 */
export const conflict = defineRule({
  options,
  create: ({ below, clearAbove, ticks }) => {
    const rows = new Map<string, number>();
    /** step of the gradient that was last counted */
    const seen = new Map<string, number>();
    return (tick) => {
      const readings: Reading[] = [];
      const measuredAt = tick.step - (tick.ages[METRIC] ?? 0);
      for (const { reference, metrics, measuredAt: older } of tick.pairs) {
        const cosine = metrics[METRIC] ?? null;
        if (cosine === null || older !== undefined || measuredAt <= (seen.get(reference) ?? -1)) {
          continue;
        }
        seen.set(reference, measuredAt);
        const row = cosine < below ? (rows.get(reference) ?? 0) + 1 : 0;
        rows.set(reference, row);
        readings.push({
          reference,
          signal: row >= ticks ? 'raise' : cosine >= clearAbove ? 'clear' : 'hold',
          evidence: { [METRIC]: cosine, ticks: row, below, clearAbove },
          describe: (state) => ({
            title:
              state === 'raised'
                ? `training pulls against ${reference}: gradient cosine ${cosine.toFixed(3)} for ${counted(row, 'tick')} (alert below ${below})`
                : `training no longer pulls against ${reference}: gradient cosine ${cosine.toFixed(3)}`,
            text: 'Cosine of the live loss gradient with the gradient stored with the reference, over the shared tensors.',
          }),
        });
      }
      return readings;
    };
  },
});
