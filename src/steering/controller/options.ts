import { z } from 'zod';
import { TERMS } from '../index.js';
import { DEFAULT_TERMS } from './default-terms.js';

const termName = z.string().superRefine((name, context) => {
  if (!TERMS.some((term) => term.name === name)) {
    const known = TERMS.map((term) => term.name).join(', ');
    context.addIssue(`is ${JSON.stringify(name)}, which is no term; known are ${known}`);
  }
});

/** What can be set of the controller. */
export const controllerOptions = z
  .strictObject({
    enabled: z.boolean().default(false).describe('whether strengths are set from what the run shows'),
    terms: z
      .array(termName)
      .min(1)
      .default([...DEFAULT_TERMS])
      .describe('terms that it moves together; their other parameters are those of their sections'),
    target: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .default(null)
      .describe('raw accuracy after merging to reach; null: the best within the budgets'),
    accuracyBudget: z
      .number()
      .min(0)
      .max(1)
      .default(0.005)
      .describe("how far the live model's own accuracy may fall, a fraction"),
    costBudget: z
      .number()
      .gt(0)
      .max(10)
      .default(0.35)
      .describe(
        'share of step time that the terms may cost; those that can act the more rarely for it, and if that is not enough all are turned off',
      ),
    every: z
      .union([z.literal('auto'), z.number().int().min(1)])
      .default('auto')
      .describe(
        'least steps between two decisions, each with a new measurement; auto: one with every new measurement',
      ),
    maximumRate: z
      .number()
      .gt(0)
      .max(1)
      .default(0.25)
      .describe('largest change of strength in one decision, a share of full strength'),
  })
  .describe('sets strengths from what the run shows, 1 being the default strength of each term');

export type ControllerOptions = z.output<typeof controllerOptions>;
