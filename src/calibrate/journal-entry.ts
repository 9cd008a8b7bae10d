import { z } from 'zod';

const common = {
  key: z.string().min(1),
  /** ISO 8601 */
  time: z.string(),
};

/** What was made and evaluated. */
const evaluated = {
  /** names of the models that were merged, or of the one */
  models: z.array(z.string()).min(1).readonly(),
  /** merge id; null: the one model, at `scale` */
  merge: z.string().nullable(),
  /** all of the merge method's, a seed included; empty without a merge */
  parameters: z.record(z.string(), z.unknown()).readonly(),
  /** s of base + s tau; 1 for merges */
  scale: z.number(),
  task: z.string(),
};

const evaluationSchema = z.object({
  kind: z.literal('evaluation'),
  ...common,
  ...evaluated,
  /** fraction */
  accuracy: z.number().min(0).max(1),
  seconds: z.number().min(0),
});

const failureSchema = z.object({
  kind: z.literal('failure'),
  ...common,
  ...evaluated,
  reason: z.string(),
  /** last lines of its standard error */
  errors: z.array(z.string()).readonly(),
});

const metricsSchema = z.object({
  kind: z.literal('metrics'),
  ...common,
  a: z.string(),
  b: z.string(),
  metrics: z.record(z.string(), z.number().nullable()).readonly(),
  reasons: z.record(z.string(), z.string()).readonly(),
  /** what a reader of the pair's metrics should know, a sentence each; none where an older version wrote the entry */
  notes: z.array(z.string()).readonly().optional(),
});

const entrySchema = z.discriminatedUnion('kind', [evaluationSchema, failureSchema, metricsSchema]);

export type Evaluated = Readonly<z.infer<z.ZodObject<typeof evaluated>>>;
export type EvaluationEntry = Readonly<z.infer<typeof evaluationSchema>>;
export type FailureEntry = Readonly<z.infer<typeof failureSchema>>;
export type MetricsEntry = Readonly<z.infer<typeof metricsSchema>>;

/** One line of the journal. What it says depends on nothing but what its key stands for; the rest is for people. */
export type JournalEntry = Readonly<z.infer<typeof entrySchema>>;

/** Null where a line is none of ours, or was changed so that something is missing or of another kind. */
export function entryIn(line: string): JournalEntry | null {
  try {
    return entrySchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
