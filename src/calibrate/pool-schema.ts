import { z } from 'zod';
import { FINGERPRINT_METHODS } from '../merging/index.js';

/** The longest that a timer can wait. */
export const LONGEST_SECONDS = 2_000_000;

const text = z.string().min(1);

const model = z.strictObject({
  name: text
    .optional()
    .describe(
      "what the table and the fingerprint call it; default: the name of its file, or a reference file's own name",
    ),
  path: text.describe('checkpoint, LoRA adapter or reference file, or the folder of one'),
  task: text.optional().describe('task that it is evaluated on; default: its name'),
});

const method = z
  .union([text, z.record(z.string(), z.record(z.string(), z.unknown()))])
  .describe('name, as in ties or ties@density=0.1, or a name with parameters, as in ties: { density: 0.1 }');

const groups = z.strictObject({
  sizes: z
    .array(z.number().int().min(3).max(32))
    .min(1)
    .default([3])
    .describe('how many models are merged at once'),
  each: z.number().int().min(1).max(1000).default(12).describe('different groups of every size'),
  seed: z.number().int().min(0).default(0).describe('seed of the draw'),
});

const zoo = z.strictObject({
  data: text.nullable().default(null).describe('folder of task files; null: drawn tasks'),
  seed: z.number().int().min(0).default(0).describe('seed of the drawn tasks and of the calibration split'),
});

const evaluate = z
  .strictObject({
    zoo: zoo.optional().describe('in this process, for models of the zoo: reference files with a head'),
    command: z
      .union([text, z.array(text).min(1)])
      .optional()
      .describe(
        'prints the accuracy of {checkpoint} on {task}; a text goes to the shell, a list to no shell',
      ),
    timeLimitSeconds: z
      .number()
      .gt(0)
      .max(LONGEST_SECONDS)
      .default(600)
      .describe('an evaluation by the command that takes longer is stopped and counts as failed'),
  })
  .superRefine(({ zoo, command }, context) => {
    if ((zoo === undefined) === (command === undefined)) {
      const both = zoo !== undefined;
      context.addIssue({
        code: 'custom',
        message: `has ${both ? 'both' : 'neither'} zoo ${both ? 'and' : 'nor'} command; give one of them`,
      });
    }
  });

const common = {
  base: text.describe('checkpoint that all models were fine-tuned from'),
  methods: z
    .array(method)
    .min(1)
    .default([...FINGERPRINT_METHODS])
    .describe('merge methods'),
  groups: groups.optional().describe('merges of three and more models; default: none'),
  evaluate: evaluate.describe('how a merged model is evaluated: zoo or command'),
  selfProbe: z.boolean().default(true).describe('evaluate every model at base + 0.5 tau too'),
  heads: z
    .array(text)
    .default([])
    .describe('names, or first parts of names, of tensors of the base that are not merged'),
  name: text.optional().describe("name of the fingerprint; default: the pool file's"),
  architecture: text.optional().describe('of the models: a fingerprint is right only for their like'),
  optimiser: text.optional().describe('with which they were trained'),
};

/** A pool whose models are a list; those of a folder are `folderSchema`'s. One schema of either says more of what is wrong. */
export const listSchema = z.strictObject({
  ...common,
  models: z.array(model).min(1).describe('the models, or a folder of them'),
});

export const folderSchema = z.strictObject({ ...common, models: text });

/** What a pool file says, defaults filled in. */
export type PoolSettings = z.output<typeof listSchema> | z.output<typeof folderSchema>;

export type EvaluateSettings = PoolSettings['evaluate'];

const eitherSchema = z.strictObject({
  ...common,
  models: z.union([text, z.array(model).min(1)]).describe('the models, or a folder of them'),
});

/** For editors. */
export function poolJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(eitherSchema, { io: 'input' });
}
