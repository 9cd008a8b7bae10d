import { type ScalarTag, stringify } from 'yaml';
import type { Parameters } from './merge-method.js';
import { checkModelCount } from './merge-taus.js';
import type { ConfiguredMerge } from './registry.js';

export interface MergekitModels {
  /** what mergekit is to call the base: a folder, a name on the hub; for a raw merge a file */
  readonly base: string;
  /** the models in the order of the merge; an adapter as `base+adapter` */
  readonly models: readonly string[];
  /** of what mergekit writes; float32 where not given. It computes in float32 either way. */
  readonly dtype?: 'float32' | 'float16' | 'bfloat16';
}

/** A configuration that `mergekit-yaml` reads, or why there is none. */
export type MergekitConfig = WrittenConfig | { readonly reason: string };

interface WrittenConfig {
  /** the notes as comments, then the configuration */
  readonly yaml: string;
  /** where mergekit's result will differ from mergeguard's; a sentence each */
  readonly notes: readonly string[];
}

/** A merge in mergekit's words. */
interface Recipe {
  readonly merge_method: string;
  readonly base_model?: string;
  /** settings of all models together */
  readonly parameters: Readonly<Record<string, number | boolean>>;
  /** [k] settings of each model; none where left out */
  readonly each?: readonly Readonly<Record<string, number>>[];
  readonly notes?: readonly string[];
}

/** `scale`: c of base + c * the merged task vector. */
type WriteRecipe = (
  parameters: Parameters,
  models: MergekitModels,
  scale: number,
) => Recipe | { reason: string };

const RECIPES: Readonly<Record<string, WriteRecipe>> = {
  weight_avg: (_, models, scale) =>
    sumRecipe(
      models,
      models.models.map(() => 1),
      true,
      scale,
    ),
  task_arithmetic: ({ coefficient }, models, scale) =>
    sumRecipe(
      models,
      models.models.map(() => coefficient as number),
      false,
      scale,
    ),
  ties: tiesRecipe,
  dare: dareRecipe,
  linear: linearRecipe,
  slerp: slerpRecipe,
};

/**
 * The same merge for mergekit (arXiv 2403.13257, versions 0.1.4 and 0.1.5), so that it can be taken elsewhere.
 * @param coefficient c of base + c * the merged task vector
 * @throws MergeguardError where the method can not merge so many models
 */
export function mergekitConfig(
  merge: ConfiguredMerge,
  models: MergekitModels,
  coefficient = 1,
): MergekitConfig {
  const { method, parameters, id } = merge;
  checkModelCount(method, parameters, models.models.length);
  const recipe = RECIPES[method.name]?.(parameters, models, coefficient) ?? {
    reason: `mergekit has no method that does what ${method.name} does`,
  };
  if ('reason' in recipe) {
    return recipe;
  }
  const { each, notes: found = [], parameters: together, ...rest } = recipe;
  const notes = ['mergekit adds up in float32, mergeguard in float64: the last digit can differ', ...found];
  for (const name of [models.base, ...models.models].filter((called) => /[+@]/.test(called))) {
    notes.push(
      `mergekit reads ${JSON.stringify(name)} as model@revision+adapter: move a folder that is called so`,
    );
  }
  const config = {
    ...rest,
    models: models.models.map((model, m) => (each ? { model, parameters: each[m] } : { model })),
    parameters: together,
    dtype: 'float32',
    ...(models.dtype === undefined ? {} : { out_dtype: models.dtype }),
  };
  const called = coefficient === 1 ? id : `${id}, its task vector times ${coefficient}`;
  const comments = [`the merge that mergeguard calls ${called}`, ...notes].map((line) => `# ${line}\n`);
  // mergekit reads YAML 1.1, where for one `on` is a boolean: such names come in quotes then.
  const body = stringify(config, {
    version: '1.1',
    customTags: (tags) => [SMALL_NUMBER, ...tags],
    lineWidth: 0,
  });
  return { yaml: comments.join('') + body, notes };
}

/** YAML 1.1 as Python reads it takes 1e-7 for a word; 1.0e-7 is a number to everyone. */
const SMALL_NUMBER: ScalarTag = {
  identify: (value) => typeof value === 'number' && String(value).includes('e'),
  default: true,
  tag: 'tag:yaml.org,2002:float',
  test: /^[-+]?[0-9]\.[0-9]+e[-+][0-9]+$/,
  resolve: Number,
  stringify: ({ value }) => String(value).replace(/^(-?[0-9]+)e/, '$1.0e'),
};

function tiesRecipe(parameters: Parameters, { base, models }: MergekitModels, scale: number): Recipe {
  const { coefficient, density, trim } = parameters as { coefficient: number; density: number; trim: string };
  const notes = [
    'where what is left of the models cancels exactly, mergekit takes the positive sign, mergeguard the one that most values have',
  ];
  if (density < 1) {
    notes.push('of values that are equal at the threshold mergekit keeps as many as fit, mergeguard all');
    if (trim === 'model') {
      notes.push(
        'mergeguard trims each model as one vector over all tensors, mergekit each tensor by itself, which is another result: trim=tensor is what mergekit can repeat',
      );
    }
  }
  if (scale * coefficient !== 1) {
    notes.push('mergekit 0.0.6 and older know no lambda and would leave the coefficient out');
  }
  return {
    merge_method: 'ties',
    base_model: base,
    parameters: { normalize: true, rescale: false, lambda: scale * coefficient },
    each: models.map(() => ({ weight: 1, density })),
    notes,
  };
}

function dareRecipe(parameters: Parameters, { base, models }: MergekitModels, scale: number): Recipe {
  const { coefficient, density, seed } = parameters as { coefficient: number; density: number; seed: number };
  const notes = [
    `mergekit drops other values: it draws them by itself (--random-seed), mergeguard from seed ${seed}`,
    'mergekit 0.1 rescales each tensor to the sum of magnitudes it had, mergeguard and older mergekit by 1 / density',
  ];
  return {
    merge_method: 'dare_linear',
    base_model: base,
    parameters: { normalize: false, rescale: true },
    each: models.map(() => ({ weight: (scale * coefficient) / models.length, density })),
    notes: density < 1 ? notes : [],
  };
}

function linearRecipe(parameters: Parameters, models: MergekitModels, scale: number): Recipe {
  const { weights, normalise } = parameters as { weights: readonly number[]; normalise: boolean };
  const all = weights.length === 0 ? models.models.map(() => 1) : weights;
  return sumRecipe(models, all, normalise, scale);
}

/** mergekit's `linear` weights whole models, base included, which is the same only for weights whose sum is 1. */
function sumRecipe(
  { base, models }: MergekitModels,
  weights: readonly number[],
  normalise: boolean,
  scale: number,
): Recipe {
  if (normalise && scale === 1) {
    const each = models.map((_, m) => ({ weight: weights[m]! }));
    return { merge_method: 'linear', parameters: { normalize: true }, each };
  }
  const factor = normalise ? scale / weights.reduce((sum, weight) => sum + weight, 0) : scale;
  return {
    merge_method: 'task_arithmetic',
    base_model: base,
    parameters: { normalize: false },
    each: models.map((_, m) => ({ weight: factor * weights[m]! })),
  };
}

function slerpRecipe(
  { t }: Parameters,
  { models }: MergekitModels,
  scale: number,
): Recipe | { reason: string } {
  if (scale !== 1) {
    return { reason: `mergekit's slerp has nothing that would make its task vector ${scale} times as long` };
  }
  return {
    merge_method: 'slerp',
    base_model: models[0]!,
    parameters: { t: t as number },
    notes: [
      'base_model is the first model, where t = 0: mergekit has no use for the base here',
      'a tensor that is all zero in one model is taken to be at a right angle to the other by mergekit, and on its line by mergeguard',
    ],
  };
}
