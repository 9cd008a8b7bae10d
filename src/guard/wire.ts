import { z } from 'zod';
import {
  FUNCTIONAL_WIDTH,
  type GradientRecipe,
  PAIR_WIDTH,
  PARTS,
  type PairStatistics,
  SIDE_WIDTH,
  TURN_WIDTH,
} from '../metrics/pair-statistics.js';
import {
  encodeSafetensors,
  listProblems,
  MergeguardError,
  parseSafetensors,
  type TensorInput,
} from '../tensors/index.js';
import type { Observation } from './types.js';
import { check, parseJson } from './wire-messages.js';

/**
 * One Observation on the wire: a safetensors blob with the tensors `pair` [R, T, 8], `live` [T, 5], `ref`
 * [R, T, 5] and `functional` [R, 8] (F32, or F64 from a tap that works on the host), where NaN means not measured,
 * `turns` [R, T, 2] too where references take turns and some were left out (`turns.measuredAt` in the text),
 * and everything else as one JSON text in the metadata under `observation`. JSON has no NaN and no infinity, which a loss can be:
 * there they are the strings "NaN", "Infinity" and "-Infinity".
 */

const KEY = 'observation';
const count = z.number().int().nonnegative();
const anyNumber = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const costNumber = anyNumber.nullable();

const recipeSchema: z.ZodType<GradientRecipe> = z.object({
  kind: z.enum(['ema', 'calibration']),
  batch: z.number().nullable(),
  reduction: z.enum(['mean', 'sum']),
  clipped: z.boolean(),
  accumulated: z.number(),
  lossScale: anyNumber,
});

const restSchema = z.object({
  run: z.string(),
  step: count,
  time: z.string(),
  references: z.array(z.string()),
  tensors: z.array(z.object({ name: z.string(), shape: z.array(count) })),
  gradient: recipeSchema.nullable(),
  referenceGradients: z.array(recipeSchema.nullable()),
  absent: z.partialRecord(z.enum(PARTS), z.string()),
  referenceAbsent: z.array(z.partialRecord(z.enum(PARTS), z.string())),
  measuredAt: z.partialRecord(z.enum(PARTS), count),
  selfProbe: z
    .object({
      scale: z.number(),
      accuracy: anyNumber,
      scaledAccuracy: anyNumber,
      loss: anyNumber,
      scaledLoss: anyNumber,
      samples: count,
      step: count,
    })
    .nullable(),
  turns: z.object({ measuredAt: z.array(count.nullable()) }).optional(),
  cost: z.object({
    stepMs: costNumber,
    foldMs: costNumber,
    tickMs: costNumber,
    probeMs: costNumber,
    slowMs: costNumber,
    functionalMs: costNumber,
    mergeMs: costNumber.optional(),
    termMs: costNumber,
    steering: costNumber.optional(),
    overhead: costNumber,
    every: costNumber,
  }),
  skipped: z.object({ nonFinite: count, perturbed: count, fallbacks: count.optional() }),
});
type Rest = z.infer<typeof restSchema>;

/** @throws MergeguardError when an array does not fit the numbers of references and tensors */
export function encodeObservation({ statistics, cost, skipped }: Observation): Uint8Array {
  const { pair, live, ref, functional, turns, ...rest } = statistics;
  const shapes = shapesFor(statistics);
  const tensors = new Map<string, TensorInput>([
    ['pair', { shape: shapes.pair, data: pair }],
    ['live', { shape: shapes.live, data: live }],
    ['ref', { shape: shapes.ref, data: ref }],
    ['functional', { shape: shapes.functional, data: functional }],
  ]);
  if (turns !== undefined) {
    tensors.set('turns', { shape: shapes.turns, data: turns.live });
  }
  const taken = turns && { measuredAt: turns.measuredAt };
  const text = JSON.stringify({ ...rest, turns: taken, cost, skipped }, (_key, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
  return encodeSafetensors(tensors, { [KEY]: text });
}

/** @throws MergeguardError when the bytes are not what encodeObservation writes; every problem at once */
export function decodeObservation(bytes: Uint8Array): Observation {
  const { metadata, tensors } = parseSafetensors(bytes, 'the observation');
  const text = metadata[KEY];
  if (text === undefined) {
    throw new MergeguardError(`the observation has no metadata "${KEY}"`);
  }
  const rest = check(restSchema, parseJson(text), 'the observation');
  const shapes = shapesFor(rest);
  const problems = [...tensors.keys()]
    .filter((name) => !Object.hasOwn(shapes, name))
    .map((name) => `tensor "${name}" is unknown, known are ${Object.keys(shapes).join(', ')}`);
  for (const name of ['referenceGradients', 'referenceAbsent'] as const) {
    if (rest[name].length !== rest.references.length) {
      problems.push(`${rest[name].length} ${name} for ${rest.references.length} references`);
    }
  }
  if (rest.turns && rest.turns.measuredAt.length !== rest.references.length) {
    problems.push(
      `${rest.turns.measuredAt.length} turns.measuredAt for ${rest.references.length} references`,
    );
  }
  if (!rest.turns && tensors.has('turns')) {
    problems.push('there is a tensor "turns", but no turns.measuredAt');
  }
  const take = (name: keyof typeof shapes) => {
    const tensor = tensors.get(name);
    const wanted = `[${shapes[name].join(', ')}]`;
    if (tensor === undefined) {
      problems.push(`tensor "${name}" ${wanted} is missing`);
    } else if (`[${tensor.shape.join(', ')}]` !== wanted) {
      problems.push(`tensor "${name}" is [${tensor.shape.join(', ')}], but must be ${wanted}`);
    } else if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) {
      return tensor.data;
    } else {
      problems.push(`tensor "${name}" is ${tensor.dtype}, but must be F32 or F64`);
    }
    return new Float32Array();
  };
  const arrays = {
    pair: take('pair'),
    live: take('live'),
    ref: take('ref'),
    functional: take('functional'),
    ...(rest.turns && { turns: { ...rest.turns, live: take('turns') } }),
  };
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('the observation is wrong:', problems));
  }
  const { cost, skipped, turns: _, ...statistics } = rest;
  return { statistics: { ...statistics, ...arrays }, cost, skipped };
}

/** R references, T tensors. */
function shapesFor({ references, tensors }: Pick<PairStatistics | Rest, 'references' | 'tensors'>) {
  const [R, T] = [references.length, tensors.length];
  return {
    pair: [R, T, PAIR_WIDTH],
    live: [T, SIDE_WIDTH],
    ref: [R, T, SIDE_WIDTH],
    functional: [R, FUNCTIONAL_WIDTH],
    turns: [R, T, TURN_WIDTH],
  };
}
