import { z } from 'zod';

/** The file of a fingerprint. Accuracies and half-widths are fractions; weights are fractions per scaled unit. */

export const FORMAT = 'mergeguard-fingerprint';
export const FILE_VERSION = 2;

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
  /** smallest and largest weight among this fit and those without one task */
  range: z.tuple([z.number(), z.number()]),
});

/** Interval half-widths by nominal coverage, from absolute LOTO residuals (split conformal). */
const intervalSchema = z.strictObject({ level: z.number().gt(0).lt(1), halfWidth: z.number().nonnegative() });

/** r: mean correlation inside a fold; mae: mean absolute error of all held-out rows. */
const figuresSchema = z.strictObject({ r: nullable, mae: z.number() });

/** coverage: of the interval of the fingerprint's level. */
const lotoSchema = figuresSchema.extend({ coverage: nullable });

/** Of the LOTO residuals: root mean square, and its two parts, what a held-out run has in common and the rest. */
const errorsSchema = z.strictObject({
  deviation: z.number().nonnegative(),
  offset: z.number().nonnegative(),
  within: z.number().nonnegative(),
});

/** Percentile intervals of the LOTO figures over resamples of the held-out tasks. */
const bootstrapSchema = z.strictObject({
  level: z.number(),
  r: z.tuple([z.number(), z.number()]).nullable(),
  mae: z.tuple([z.number(), z.number()]),
  /** mae of effects alone minus mae; null where there are no metrics */
  gain: z.tuple([z.number(), z.number()]).nullable(),
});

const variantSchema = z.strictObject({
  name: z.string(),
  /** rows that had every feature and the outcome */
  rows: z.number().int(),
  /** price of one unit of weight in the fit on all rows */
  penalty: z.number().nonnegative(),
  features: z.array(featureSchema),
  /** features asked for that are not in it, and why */
  dropped: z.array(z.strictObject({ feature: z.string(), reason: z.string() })),
  intercept: z.number(),
  /** reference effects by task; a typical task has 0 */
  effects: z.record(z.string(), z.number()),
  /** root mean square of the effects */
  effectSpread: z.number().nonnegative(),
  errors: errorsSchema,
  intervals: z.array(intervalSchema).min(1),
  loto: lotoSchema,
  bootstrap: bootstrapSchema,
  /** this variant and the self-probe by inverse variance; null where the table has no self-probes */
  combined: z
    .strictObject({ errors: errorsSchema, intervals: z.array(intervalSchema).min(1), loto: lotoSchema })
    .nullable(),
  /** the same features without effects, as the study's fingerprints: LOTO, and weights by name of a fit on all rows */
  metricsOnly: figuresSchema
    .extend({ penalty: z.number().nonnegative(), weights: z.record(z.string(), z.number()) })
    .nullable(),
  /** LOTO of effects without features, on the same rows */
  effectsOnly: figuresSchema.nullable(),
  /**
   * metricsOnly's r with the metrics of the wrong tasks: mean and 95 % point over `count` relabellings, at the penalties
   * that were chosen with the right ones
   */
  null: z.strictObject({ count: z.number().int(), meanR: nullable, r95: nullable }).nullable(),
});

const selfProbeSchema = z.strictObject({
  rows: z.number().int(),
  /** s of base + s tau */
  scale: z.number(),
  /** prediction = offset + slope * accuracy ratio */
  slope: z.number(),
  offset: z.number(),
  errors: errorsSchema,
  /** domain of the ratio */
  low: z.number(),
  high: z.number(),
  loto: lotoSchema,
});

/** Merges of three or more: 1 - outcome = (1 - mean of the pairs) (models - 1) ** growth. */
const groupSchema = z.strictObject({
  rows: z.number().int(),
  growth: z.number(),
  /** leaving one task out */
  mae: z.number(),
  intervals: z.array(intervalSchema).min(1),
});

const methodSchema = z.strictObject({
  rows: z.number().int(),
  selfProbe: selfProbeSchema.nullable(),
  /** null where it was fitted on pairs only */
  groups: groupSchema.nullable(),
  /** most features first, and asked in that order; the last one has none and always applies */
  variants: z.array(variantSchema).min(1),
});

const contentSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(FILE_VERSION),
  name: z.string().min(1),
  /** what is predicted: each task's accuracy over that of its own model, averaged, or the plain mean accuracy */
  target: z.enum(['normalized_acc', 'acc']),
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
    /** how the penalties were set: chosen inside the training folds, or the default ones */
    penalties: z.enum(['nested', 'default']),
    /** of the relabellings */
    seeds: z.array(z.number().int()),
    /** what a user should know of the table, a sentence each */
    notes: z.array(z.string()),
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
export type GroupFit = z.infer<typeof groupSchema>;
export type Loto = z.infer<typeof lotoSchema>;
export type Figures = z.infer<typeof figuresSchema>;
export type Errors = z.infer<typeof errorsSchema>;
export type Bootstrap = z.infer<typeof bootstrapSchema>;
export type Target = Fingerprint['target'];

/** A gradient metric is comparable only between gradients of the kinds that the fingerprint was fitted on. */
export function isGradientMetric(name: string): boolean {
  return name.startsWith('encoder_gradient_');
}

/** The JSON Schema of the file; config/fingerprint.schema.json is its copy. */
export function fingerprintJsonSchema(): z.core.JSONSchema.BaseSchema {
  const described = fingerprintSchema.meta({
    title: 'mergeguard fingerprint',
    description:
      'Accuracies, errors and half-widths are fractions, weights are fractions per scaled unit. Beyond this schema: ' +
      'the checksum fits everything else, the last variant of a method and no other has no features, feature names ' +
      'are unique in a variant, and every list of intervals has one of the level of the fingerprint.',
  });
  return z.toJSONSchema(described);
}
