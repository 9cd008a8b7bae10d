import * as tf from '@tensorflow/tfjs';
import {
  canonicalName,
  canonicalNames,
  canonicalVariable,
  DEFAULT_HEADS,
  type HostTensor,
  isHead,
  isRunningStatistic,
  listProblems,
  MergeguardError,
  type NamedTensors,
  permute,
} from '../../src/tensors/index.js';
import {
  adaptedMatrix,
  isFactorBias,
  type LiveFactors,
  type LiveWeight,
  liveFactors,
  sortFactors,
} from './lora-factors.js';

/** The weights of a live model: a LayersModel, or variables by name (a tfjs path such as `encoder/q/kernel`). */
export type LiveWeights =
  | tf.LayersModel
  | ReadonlyMap<string, tf.Variable>
  | Readonly<Record<string, tf.Variable>>;

/** A tensor that live model and references share. */
export interface SharedTensor {
  /** canonical */
  readonly name: string;
  /** canonical shape: matrices [out, in] */
  readonly shape: readonly number[];
  readonly variable: tf.Variable;
  /** axis order from the variable's layout to the canonical one; null: the same */
  readonly permutation: readonly number[] | null;
  readonly trainable: boolean;
  /** its LoRA adapter; the matrix itself is frozen then */
  readonly factors: LiveFactors | null;
}

/** Whether its task vector may change: it is trained, or adapted. */
export function isWatched({ trainable, factors }: SharedTensor): boolean {
  return trainable || factors !== null;
}

/** A tensor of the live model's own head. */
export type HeadTensor = Pick<SharedTensor, 'name' | 'shape' | 'variable' | 'permutation'>;

export interface Layout {
  /** what a reference must have, frozen tensors included; in the live model's order */
  readonly shared: readonly SharedTensor[];
  /** the task head, factors of its adapters included */
  readonly heads: readonly HeadTensor[];
  /** what is left out, and why */
  readonly excluded: readonly { readonly name: string; readonly reason: string }[];
}

/** The module that PEFT put its own in the place of: `q.base_layer.weight` is `q.weight`. */
const BASE_LAYER = /([./])base_layer[./]/g;

/**
 * Sorts the live model's weights into shared tensors and what is left out: heads (a name that is, or starts
 * with, one of `heads`), running statistics, what is not float32, weights tied to one already counted. Factors of LoRA
 * adapters (`lora_A`, `lora_B`) are no tensors of their own: they go to the matrix that they adapt.
 *
 * @param held tensors that are shared whatever they are called
 * @param loraScale alpha / r of the adapters
 * @throws MergeguardError where two weights come to have one canonical name, where nothing is shared, or for adapters
 * that do not fit
 */
export function layoutOf(
  weights: LiveWeights,
  heads: readonly string[] = DEFAULT_HEADS,
  held: ReadonlySet<string> = new Set(),
  loraScale = 1,
): Layout {
  const entries = entriesOf(weights);
  const names = canonicalNames(entries.map(({ name }) => name.replace(BASE_LAYER, '$1')));
  const all = entries.map((entry, index) => ({ ...entry, name: names[index], original: entry.name }));
  // The factors of a head go with it.
  const isTaskHead = ({ name }: LiveWeight) => {
    const own = adaptedMatrix(name) ?? name;
    return isHead(own, heads) && !held.has(own);
  };
  const headTensors = all.filter(isTaskHead).map(({ name, original, variable }): HeadTensor => {
    const { shape, permutation } = canonicalVariable(original, variable.shape);
    return { name, shape, variable, permutation };
  });
  const excluded = headTensors.map(({ name }) => ({ name, reason: 'task head' }));
  const sorted = sortFactors(all.filter((weight) => !isTaskHead(weight)));
  const shared: SharedTensor[] = [];
  const seen = new Map<tf.Variable, string>();
  for (const { name, original, variable, trainable } of sorted.others) {
    const tied = seen.get(variable);
    if (isFactorBias(name)) {
      excluded.push({ name, reason: 'what an adapter adds to a bias (lora_bias), which is not watched' });
    } else if (isRunningStatistic(name)) {
      excluded.push({ name, reason: 'running statistic, not a parameter' });
    } else if (variable.dtype !== 'float32') {
      excluded.push({ name, reason: `${variable.dtype}, not a parameter` });
    } else if (tied !== undefined) {
      excluded.push({ name, reason: `tied to ${tied}, counted once` });
    } else {
      const { shape, permutation } = canonicalVariable(original, variable.shape);
      shared.push({ name, shape, variable, permutation, trainable, factors: null });
      seen.set(variable, name);
    }
  }
  const adapters = liveFactors(sorted, shared, excluded, loraScale);
  if (shared.length === 0) {
    throw new MergeguardError(
      listProblems(
        'the live model has no tensor to share with references; are the names of heads right?',
        excluded.map(({ name, reason }) => `${name}: ${reason}`),
      ),
    );
  }
  return {
    shared: shared.map((tensor) => ({ ...tensor, factors: adapters.get(tensor.name) ?? null })),
    heads: headTensors,
    excluded,
  };
}

/** The tensors' values on the host in canonical layout; of an adapted matrix the frozen values alone. */
export async function valuesOf(shared: readonly SharedTensor[]): Promise<NamedTensors> {
  const values = new Map<string, HostTensor>();
  for (const { name, shape, variable, permutation } of shared) {
    const data = Float32Array.from(await variable.data());
    values.set(name, { shape, data: permutation ? permute(data, variable.shape, permutation) : data });
  }
  return values;
}

/** Canonical host values in the variable's own layout, for the device. */
export function inVariableLayout(
  { permutation }: Pick<SharedTensor, 'permutation'>,
  value: HostTensor,
): Float32Array {
  if (!permutation) {
    return value.data;
  }
  const back = permutation.map((_, axis) => permutation.indexOf(axis));
  return permute(value.data, value.shape, back);
}

function entriesOf(weights: LiveWeights): { name: string; variable: tf.Variable; trainable: boolean }[] {
  if (isLayersModel(weights)) {
    const trainable = new Set(weights.trainableWeights);
    return weights.weights.map((weight) => ({
      name: weight.originalName,
      variable: weight.read() as tf.Variable,
      trainable: trainable.has(weight),
    }));
  }
  const pairs =
    weights instanceof Map ? [...weights] : Object.entries(weights as Record<string, tf.Variable>);
  return pairs.map(([name, variable]) => ({ name, variable, trainable: variable.trainable }));
}

/** Every variable of the live model, each once. */
export function variablesOf(weights: LiveWeights): tf.Variable[] {
  return [...new Set(entriesOf(weights).map(({ variable }) => variable))];
}

/** Variables that a forward pass may change: what no optimiser does. */
export function nonTrainable(weights: LiveWeights): tf.Variable[] {
  const variables = entriesOf(weights)
    .filter(({ name, trainable }) => !trainable || isRunningStatistic(canonicalName(name)))
    .map(({ variable }) => variable);
  return [...new Set(variables)];
}

export function isLayersModel(weights: unknown): weights is tf.LayersModel {
  return weights instanceof tf.LayersModel;
}
