import { z } from 'zod';

/** The file of a fingerprint. Accuracies and half-widths are fractions; weights are fractions per scaled unit. */

export const FORMAT = 'mergeguard-fingerprint';
export const FILE_VERSION = 1;

const nullable = z.number().nullable();
const gradientKind = z.enum(['ema', 'calibration']).nullable();

const featureSchema = z.strictObject({
  name: z.string(),
  /** median and interquartile range: scaled = clip((value - center) / scale, -3, 3) */
  center: z.number(),
  scale: z.number().positive(),
  /** domain */
  low: z.number(),
  high: z.number(),
  weight: z.number(),
});

/** Interval half-widths by nominal coverage, from absolute LOTO residuals (split conformal). */
const intervalSchema = z.strictObject({ level: z.number().gt(0).lt(1), halfWidth: z.number().nonnegative() });

/** r: mean correlation inside a fold; coverage: of the interval of the fingerprint's level. */
const lotoSchema = z.strictObject({ r: nullable, mae: z.number(), coverage: nullable });
const baselineSchema = z.strictObject({ r: nullable, mae: z.number() });

const variantSchema = z.strictObject({
  name: z.string(),
  /** rows that had every feature and the outcome */
  rows: z.number().int(),
  features: z.array(featureSchema),
  /** features asked for that are not in it, and why */
  dropped: z.array(z.strictObject({ feature: z.string(), reason: z.string() })),
  intercept: z.number(),
  /** reference effects by task, mean zero */
  effects: z.record(z.string(), z.number()),
  /** standard deviation of the effects */
  effectSpread: z.number().nonnegative(),
  /** root mean square of the LOTO residuals */
  deviation: z.number().nonnegative(),
  intervals: z.array(intervalSchema).min(1),
  loto: lotoSchema,
  /** this variant and the self-probe by inverse variance; null where the table has no self-probes */
  combined: z.strictObject({ intervals: z.array(intervalSchema).min(1), loto: lotoSchema }).nullable(),
  /** LOTO of the same features without effects, and of effects without features, on the same rows */
  metricsOnly: baselineSchema.nullable(),
  effectsOnly: baselineSchema.nullable(),
  /** metricsOnly's r with the metrics of the wrong tasks: mean and 95 % point over `count` relabellings */
  null: z.strictObject({ count: z.number().int(), meanR: nullable, r95: nullable }).nullable(),
});

const selfProbeSchema = z.strictObject({
  rows: z.number().int(),
  /** s of base + s tau */
  scale: z.number(),
  /** prediction = offset + slope * accuracy ratio */
  slope: z.number(),
  offset: z.number(),
  /** root mean square of the LOTO residuals */
  deviation: z.number().nonnegative(),
  /** domain of the ratio */
  low: z.number(),
  high: z.number(),
  loto: lotoSchema,
});

const methodSchema = z.strictObject({
  rows: z.number().int(),
  selfProbe: selfProbeSchema.nullable(),
  /** most features first; the last one has none and always applies */
  variants: z.array(variantSchema).min(1),
});

const contentSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(FILE_VERSION),
  name: z.string().min(1),
  target: z.literal('normalized_acc'),
  /** nominal coverage of the interval in a score */
  level: z.number().gt(0).lt(1),
  /** how the gradients of the fit were made; null where no variant uses any */
  gradientKinds: z.strictObject({ live: gradientKind, reference: gradientKind }),
  methods: z.record(z.string(), methodSchema),
  provenance: z.strictObject({
    architecture: z.string(),
    optimiser: z.string(),
    /** where the table comes from, in a sentence */
    source: z.string(),
    rows: z.number().int(),
    tasks: z.array(z.string()),
    /** only the live side was held out (pairs in both orders, or checkpoints) */
    directed: z.boolean(),
    /** sha256 of the table as canonical JSON */
    tableHash: z.string(),
    penalty: z.number(),
    /** of the relabellings */
    seeds: z.array(z.number().int()),
  }),
});

export const fingerprintSchema = contentSchema.extend({
  /** sha256 of everything else as canonical JSON */
  checksum: z.string(),
});

export type Fingerprint = z.infer<typeof fingerprintSchema>;
export type FingerprintContent = z.infer<typeof contentSchema>;
export type MethodFingerprint = z.infer<typeof methodSchema>;
export type Variant = z.infer<typeof variantSchema>;
export type SelfProbeFit = z.infer<typeof selfProbeSchema>;
export type Interval = z.infer<typeof intervalSchema>;
export type Loto = z.infer<typeof lotoSchema>;

/** A gradient metric is comparable only between gradients of the kinds that the fingerprint was fitted on. */
export function isGradientMetric(name: string): boolean {
  return name.startsWith('encoder_gradient_');
}
