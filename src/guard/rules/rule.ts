import { z } from 'zod';
import type { PairStatistics } from '../../metrics/index.js';
import type { TickEvent } from '../events.js';

/** What one rule sees in one tick about one thing it watches. */
export interface Reading {
  readonly reference?: string;
  readonly method?: string;
  /** the condition holds, is gone, or neither: between the two thresholds, or not known in this tick */
  readonly signal: 'raise' | 'clear' | 'hold';
  /** the numbers that decide */
  readonly evidence: Record<string, number | null>;
  /** words for people, asked for only when an alert goes out */
  describe(state: 'raised' | 'cleared'): { title: string; text: string };
}

/**
 * A rule at work: given the ticks of one run in order, says what holds now. No I/O, no clock; its only state is
 * what it remembers of earlier ticks. Every rule gives at most one reading per (reference, method) and tick.
 */
export type Rule = (tick: TickEvent, statistics: PairStatistics) => Reading[];

/** An alert rule: its options, and how to start it for one run. */
export interface RuleInfo<Options extends z.ZodObject = z.ZodObject> {
  readonly options: Options;
  create(options: z.output<Options>): Rule;
}

/** Keeps the type of a rule's options. */
export function defineRule<Options extends z.ZodObject>(rule: RuleInfo<Options>): RuleInfo<Options> {
  return rule;
}

/** The options that every rule has. */
export function commonOptions(level: 'info' | 'warning' | 'error') {
  return {
    enabled: z.boolean().default(true).describe('whether the rule is checked'),
    level: z.enum(['info', 'warning', 'error']).default(level).describe('level of its alerts'),
    coolDownSteps: z
      .number()
      .int()
      .min(0)
      .default(200)
      .describe('steps after an alert was cleared before the same one may be raised again'),
  };
}
