import { z } from 'zod';

/**
 * The one vocabulary of events. What the guard says to anybody (the WebSocket, the journal, the page, a hook)
 * is one of these seven, as one JSON object. Accuracies are fractions 0..1, durations milliseconds, times
 * ISO 8601 UTC.
 */

/**
 * Raised when an older hook, server or page would misread what is said, observations on the wire included. 2: spectra, bottom
 * subspaces and functional metrics, with the age of what is not of the present step. 3: pairs that take turns in observations, the
 * backend's description in the setup. 4: what a run can not follow of steering, in the setup.
 */
export const PROTOCOL = 4;

const nullable = z.number().nullable();
const common = { run: z.string(), time: z.string(), step: z.number().int().nonnegative() };

/** One merge method's prediction for one reference. */
export const scoreSchema = z.object({
  method: z.string(),
  /** predicted normalised accuracy of merging the live model with the reference; null with `reason` where it can't be predicted */
  value: nullable,
  low: nullable,
  high: nullable,
  /** nominal coverage of [low, high] */
  level: z.number(),
  /** `value` times the live model's own calibration accuracy; null without a calibration batch */
  raw: nullable,
  /** the live metrics lie inside the ranges on which the fingerprint was fitted */
  inDomain: z.boolean(),
  outside: z.array(z.object({ metric: z.string(), value: z.number(), low: z.number(), high: z.number() })),
  /** signed contributions in points of normalised accuracy, largest first */
  contributions: z.array(z.object({ feature: z.string(), points: z.number() })),
  /** what the prediction rests on, e.g. `metrics`, `effect`, `self-probe` */
  basis: z.array(z.string()),
  reason: z.string().optional(),
});

export const pairSchema = z.object({
  reference: z.string(),
  metrics: z.record(z.string(), nullable),
  /** why a metric above is null */
  reasons: z.record(z.string(), z.string()),
  scores: z.array(scoreSchema),
  /**
   * step at which task vectors and gradients were last compared, where that was not in this tick: the device has no room for all
   * references, and they take turns. Null before the first time; absent where it was in this tick
   */
  measuredAt: z.number().int().nonnegative().nullable().optional(),
});

/** One merge method's prediction for merging the live model with all references at once. */
export const poolScoreSchema = z.object({
  method: z.string(),
  references: z.array(z.string()),
  /** predicted normalised accuracy, the mean over all tasks; null with `reason` where it can't be predicted */
  value: nullable,
  low: nullable,
  high: nullable,
  level: z.number(),
  /** mean prediction of the pairs in the group, which ranks groups; several models together come out lower */
  pairs: nullable,
  reason: z.string().optional(),
});

export const selfProbeSchema = z.object({
  scale: z.number(),
  accuracy: z.number(),
  scaledAccuracy: z.number(),
  loss: z.number(),
  scaledLoss: z.number(),
  samples: z.number().int(),
  step: z.number().int(),
});

export const helloSchema = z.object({
  event: z.literal('hello'),
  ...common,
  version: z.string(),
  protocol: z.literal(PROTOCOL, {
    error: ({ input }) =>
      `the guard speaks protocol ${JSON.stringify(input)}, here it is ${PROTOCOL}; install the same version of mergeguard on both sides`,
  }),
  backend: z.string(),
  /** library or adapter of the backend, for people; absent where the hook does not know it */
  backendDescription: z.string().optional(),
  references: z.array(z.object({ name: z.string(), limits: z.array(z.string()) })),
  methods: z.array(z.string()),
  fingerprint: z.string().nullable(),
  /** what the fingerprint can not use of this stream, a sentence each */
  fingerprintLimits: z.array(z.string()),
  coverage: z.object({
    matched: z.number().int(),
    total: z.number().int(),
    /** fraction of the parameters that the matched tensors hold */
    parameters: z.number(),
    excluded: z.array(z.object({ name: z.string(), reason: z.string() })),
  }),
  config: z.record(z.string(), z.unknown()),
});

export const progressSchema = z.object({
  event: z.literal('progress'),
  ...common,
  /** what is going on, e.g. `pretrain`, `reference mnist`, `train`, `evaluate` */
  phase: z.string(),
  done: z.number(),
  total: z.number(),
  loss: nullable.optional(),
  accuracy: nullable.optional(),
});

export const tickSchema = z.object({
  event: z.literal('tick'),
  ...common,
  pairs: z.array(pairSchema),
  /** steps since a metric was measured, by its name; only those that are not of this step */
  ages: z.record(z.string(), z.number().int().positive()),
  /** all references merged at once, by method; empty with fewer than two references or without a fingerprint */
  pool: z.array(poolScoreSchema),
  /** ‖tau‖ and ‖g‖ of the live model over the shared tensors */
  live: z.object({ tauNorm: nullable, gradientNorm: nullable }),
  selfProbe: selfProbeSchema.nullable(),
  /** what the guard cost so far: `overhead` is guard time over plain step time */
  cost: z.object({
    stepMs: nullable,
    foldMs: nullable,
    tickMs: nullable,
    probeMs: nullable,
    /** of one matrix of the slow lane */
    slowMs: nullable,
    /** of one pass over calibration samples */
    functionalMs: nullable,
    /** of one piece of a merge probe: some of the tensors merged, or one pass over some of the samples */
    mergeMs: nullable.optional(),
    termMs: nullable,
    /** mean time of steering terms over plain step time, over about the last 50 steps; absent before one has acted */
    steering: nullable.optional(),
    overhead: nullable,
    /** steps since the tick before */
    every: z.number().int().nullable(),
  }),
  /** ticks replaced because the guard was still busy, and steps whose gradient was not folded and why */
  dropped: z.object({
    ticks: z.number().int(),
    nonFinite: z.number().int(),
    perturbed: z.number().int(),
    /** steps on which a steering term fell back to plain training, since its gradients were not finite; absent where there are none */
    fallbacks: z.number().int().optional(),
  }),
});

/** One task of a merge probe, on its own calibration samples. */
export const probedTaskSchema = z.object({
  /** of the merged model, with the task's own head; losses are mean cross-entropies */
  accuracy: z.number().min(0).max(1),
  loss: z.number(),
  /** of the task's own model alone, on the same samples; null where it is not known */
  ownAccuracy: z.number().min(0).max(1).nullable(),
  ownLoss: nullable,
  samples: z.number().int().positive(),
});

export const probeSchema = z.object({
  event: z.literal('probe'),
  ...common,
  kind: z.literal('merge'),
  method: z.string(),
  reference: z.string(),
  /** of the merged model, the mean of both tasks */
  accuracy: z.number().min(0).max(1),
  /** each task's accuracy over that of its own model, averaged; null where one of those is not known */
  normalised: nullable,
  /** of `accuracy` */
  standardError: z.number().nonnegative(),
  /** the mean of both tasks */
  loss: z.number(),
  /** of both tasks together */
  samples: z.number().int().positive(),
  /**
   * of `normalised`, by the delta method over the same samples of merged and own models; null where `normalised` is. Zero where they
   * agree on every sample, which is no proof that they always do
   */
  normalisedStandardError: z.number().nonnegative().nullable().optional(),
  /** of `loss` */
  lossStandardError: z.number().nonnegative().optional(),
  /** what was measured of each task */
  tasks: z.object({ live: probedTaskSchema, reference: probedTaskSchema }).optional(),
  /**
   * the same merge with the factor on its task vector that gave the lowest mean loss on the same samples, of those that were tried; 1 where
   * that is the merge above. Absent where no other was tried
   */
  best: z
    .object({
      coefficient: z.number().positive(),
      /** the mean of both tasks, and so too high: the samples chose the coefficient */
      accuracy: z.number().min(0).max(1),
      loss: z.number(),
      /** of `accuracy` */
      standardError: z.number().nonnegative(),
    })
    .optional(),
});

export const alertSchema = z.object({
  event: z.literal('alert'),
  ...common,
  /** id of the rule in the configuration, e.g. `accuracy` */
  rule: z.string(),
  /** `raised` when the condition has come to hold, `cleared` when it has gone */
  state: z.enum(['raised', 'cleared']),
  level: z.enum(['info', 'warning', 'error']),
  title: z.string(),
  text: z.string(),
  reference: z.string().optional(),
  method: z.string().optional(),
  /** the numbers that decided */
  evidence: z.record(z.string(), nullable),
});

/** An order: all the terms that are in force from now on. */
export const steerSchema = z.object({
  event: z.literal('steer'),
  ...common,
  terms: z.array(
    z.object({ term: z.string(), strength: z.number(), parameters: z.record(z.string(), z.unknown()) }),
  ),
  /** steps after which the terms have ended unless renewed, fading over the last third of them; null: until the next steer event */
  lifetimeSteps: z.number().int().nullable(),
  /** the step on which it begins to act; absent, or past: at once */
  fromStep: z.number().int().nonnegative().optional(),
  /** in plain words */
  reason: z.string(),
  /** who gave it: fixed strengths, the controller, somebody by hand, or a hook whose guard is lost (`guard`) */
  source: z.enum(['config', 'controller', 'manual', 'guard']).optional(),
});

export const endSchema = z.object({
  event: z.literal('end'),
  ...common,
  status: z.enum(['done', 'failed', 'detached']),
  reason: z.string().optional(),
  summary: z.record(z.string(), z.unknown()),
});

export const eventSchema = z.discriminatedUnion('event', [
  helloSchema,
  progressSchema,
  tickSchema,
  probeSchema,
  alertSchema,
  steerSchema,
  endSchema,
]);

export type Score = z.infer<typeof scoreSchema>;
export type PoolScore = z.infer<typeof poolScoreSchema>;
export type PairReport = z.infer<typeof pairSchema>;
export type HelloEvent = z.infer<typeof helloSchema>;
export type ProgressEvent = z.infer<typeof progressSchema>;
export type TickEvent = z.infer<typeof tickSchema>;
export type ProbedTask = z.infer<typeof probedTaskSchema>;
export type ProbeEvent = z.infer<typeof probeSchema>;
export type AlertEvent = z.infer<typeof alertSchema>;
export type SteerEvent = z.infer<typeof steerSchema>;
export type EndEvent = z.infer<typeof endSchema>;
export type GuardEvent = z.infer<typeof eventSchema>;
export type EventName = GuardEvent['event'];
export const EVENT_NAMES: readonly EventName[] = [
  'hello',
  'progress',
  'tick',
  'probe',
  'alert',
  'steer',
  'end',
];
