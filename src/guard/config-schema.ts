import { z } from 'zod';
import { MERGE_METHODS, mergeMethod } from '../merging/index.js';
import { type ControllerOptions, controllerOptions } from '../steering/controller/index.js';
import { TERMS } from '../steering/index.js';
import { messageOf } from '../tensors/errors.js';
import { RULES } from './rules/index.js';

/** Steps given by the user, or found by the guard within its overhead budget. */
const cadence = z.union([z.literal('auto'), z.number().int().min(1)]).default('auto');

const tap = z.strictObject({
  every: cadence.describe('steps between two ticks; auto: as often as the overhead budget allows'),
  minimumEvery: z.number().int().min(1).default(10).describe('auto never ticks more often than this'),
  foldStride: cadence.describe('every n-th gradient is folded into the moving average; auto: by the budget'),
  gradientDecay: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe('decay of the moving average of the gradient, per folded step; 0 keeps the last gradient only'),
  powerIterations: z
    .number()
    .int()
    .min(1)
    .max(10)
    .default(1)
    .describe('block power iterations a tick that track the top-k subspaces of the live model'),
  deviceMemory: z
    .union([z.literal('auto'), z.number().int().min(0)])
    .default('auto')
    .describe(
      "MiB of the device's memory that task vectors and gradients of references may take; auto: a quarter of it; what does not fit takes turns",
    ),
  k: z.number().int().min(1).max(64).default(10).describe('singular vectors in a subspace; the study has 10'),
});

const gradient = z.strictObject({
  kind: z
    .enum(['auto', 'ema', 'calibration'])
    .default('auto')
    .describe(
      'ema: moving average over training steps; calibration: on the calibration samples at the live weights; auto: what the fingerprint was fitted on',
    ),
  batch: z
    .number()
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('samples in one gradient evaluation; null: not known'),
  reduction: z.enum(['mean', 'sum']).default('mean').describe('how the loss is reduced over the batch'),
  clipped: z.boolean().default(false).describe('gradients are clipped before the guard sees them'),
  accumulated: z.number().int().min(1).default(1).describe('micro-batches accumulated into one gradient'),
  lossScale: z
    .number()
    .gt(0)
    .default(1)
    .describe('factor still multiplied into the gradient (mixed precision)'),
});

const selfProbe = z.strictObject({
  enabled: z.boolean().default(true).describe('evaluate the live model at base + scale tau now and then'),
  scale: z.number().gt(0).max(2).default(0.5).describe('s of base + s tau'),
  every: cadence.describe('steps between two self-probes; auto: by the budget'),
  samples: z
    .number()
    .int()
    .min(1)
    .default(128)
    .describe('calibration samples evaluated; with 8 it is worse than no probe, with 128 within 1.7 points'),
});

const mergeProbe = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe(
      'merge a copy of the live model with each reference that has calibration samples and evaluate both tasks now and then',
    ),
  every: cadence.describe(
    'steps between the starts of two rounds over all references and methods; auto: by the budget',
  ),
  samples: z
    .number()
    .int()
    .min(1)
    .default(128)
    .describe('calibration samples of each task that are evaluated; fewer where there are fewer'),
  methods: z
    .array(z.string().min(1).superRefine(checkPairMerge))
    .min(1)
    .default(['weight_avg'])
    .describe(
      'merge methods to probe by, such as ties@density=0.1; scores are corrected by the same method only',
    ),
  coefficients: z
    .array(z.number().gt(0).max(3))
    .max(8)
    .default([0.8, 1, 1.25])
    .describe(
      'factors on the merged task vector at which each merge is evaluated, 1 always with them; a probe tells the best beside what it found at 1',
    ),
});

/** Whether two models can be merged by this id. */
function checkPairMerge(id: string, context: z.RefinementCtx): void {
  try {
    const { method, parameters } = mergeMethod(id);
    const { least, most } = method.models(parameters);
    if (least > 2 || most < 2) {
      context.addIssue(`is ${JSON.stringify(id)}, which merges ${least} models; a probe merges two`);
    }
  } catch (error) {
    const known = MERGE_METHODS.map(({ name }) => name).join(', ');
    context.addIssue(`is ${JSON.stringify(id)}: ${messageOf(error)}; methods are ${known}`);
  }
}

const slow = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('measure spectra and bottom subspaces, matrix by matrix, in a worker thread'),
  every: cadence.describe('steps between the starts of two sweeps over all matrices; auto: by the budget'),
});

const functional = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('measure activations and input gradients on calibration samples now and then'),
  samples: z
    .number()
    .int()
    .min(1)
    .default(10)
    .describe('calibration samples of each task that are used; the study has 10'),
  every: cadence.describe('steps between the starts of two measurements; auto: by the budget'),
});

const server = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('address to listen on; the default is reached from here only'),
  port: z.number().int().min(0).max(65535).default(7337).describe('port; 0: any free one'),
});

/** What every term's options have in common; the rest is the term's own (`TermInfo.parameters`). */
export interface TermOptions {
  readonly [parameter: string]: unknown;
  /** 0 turns the term off */
  readonly strength: number;
}

/** One key per rule, with the options that the rule itself declares. */
function alertsSchema() {
  type Shape = { [Name in keyof typeof RULES]: z.ZodPrefault<(typeof RULES)[Name]['options']> };
  const entries = Object.entries(RULES).map(([name, { options }]) => {
    const schema: z.ZodObject = options;
    return [name, schema.prefault({})];
  });
  return z.strictObject(Object.fromEntries(entries) as Shape);
}

/** By term its options, and what is of all terms. */
interface SteeringOptions {
  readonly [term: string]: TermOptions | number | ControllerOptions;
  readonly fadeSteps: number;
  readonly controller: ControllerOptions;
}

interface SteeringInput {
  readonly [term: string]: Record<string, unknown> | number | undefined;
  readonly fadeSteps?: number;
  readonly controller?: z.input<typeof controllerOptions>;
}

/** One key per term, with the parameters that the term itself declares, and what is of all of them. */
function steeringSchema(): z.ZodType<SteeringOptions, SteeringInput> {
  const entries = TERMS.map((term) => [term.name, term.parameters.prefault({})]);
  const schema = z
    .strictObject({
      ...Object.fromEntries(entries),
      fadeSteps: z
        .number()
        .int()
        .min(1)
        .default(100)
        .describe('steps in which terms fade out when the guard is lost'),
      controller: controllerOptions.prefault({}),
    })
    .superRefine(checkControlled);
  return schema as unknown as z.ZodType<SteeringOptions, SteeringInput>;
}

/** A strength is set by one of the two. */
function checkControlled(steering: Record<string, unknown>, context: z.RefinementCtx): void {
  const { enabled, terms } = steering.controller as ControllerOptions;
  for (const term of enabled ? terms : []) {
    const strength = (steering[term] as TermOptions | undefined)?.strength ?? 0;
    if (strength > 0) {
      const message = `is ${strength}, but the controller sets it (steering.controller.terms); leave one of the two out`;
      context.addIssue({ code: 'custom', path: [term, 'strength'], message });
    }
  }
}

/**
 * Everything that can be set, with its default: config/guard.yaml says the same for people. Every option may be
 * left out; an option that is not here is an error.
 */
export const configSchema = z.strictObject({
  run: z.string().min(1).nullable().default(null).describe('name of the run; null: one is made up'),
  seed: z
    .number()
    .int()
    .default(0)
    .describe('seed of everything the guard draws at random, such as the scales of scale_jitter'),
  strict: z
    .boolean()
    .default(false)
    .describe('a failure of the guard stops the training; false: it becomes an alert'),
  overhead: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.02)
    .describe('share of step time that everything the guard measures may cost together'),
  tap: tap.prefault({}),
  gradient: gradient.prefault({}).describe('how the training makes its gradients'),
  selfProbe: selfProbe.prefault({}),
  mergeProbe: mergeProbe.prefault({}),
  slow: slow.prefault({}),
  functional: functional.prefault({}),
  fingerprint: z
    .string()
    .min(1)
    .nullable()
    .default('demo')
    .describe('name of a shipped fingerprint or path of a fingerprint file; null: no scores'),
  methods: z
    .union([z.literal('all'), z.array(z.string().min(1)).min(1)])
    .default('all')
    .describe('merge methods to predict; all: every method of the fingerprint'),
  alerts: alertsSchema().prefault({}),
  steering: steeringSchema().prefault({}),
  server: server.prefault({}),
});

export type GuardConfig = z.output<typeof configSchema>;

/** The options of a term as the configuration has them. */
export function optionsOf(config: GuardConfig, term: string): TermOptions {
  return config.steering[term] as TermOptions;
}

/** The same with everything optional: what a program or a YAML file gives. */
export type GuardConfigInput = z.input<typeof configSchema>;

/** The JSON Schema of guard.yaml, for editors; config/guard.schema.json is its copy. */
export function configJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(configSchema, { io: 'input' });
}
