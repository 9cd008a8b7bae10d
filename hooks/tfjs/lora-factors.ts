import type * as tf from '@tensorflow/tfjs';
import {
  canonicalVariable,
  formatShape,
  listProblems,
  MergeguardError,
  nearest,
} from '../../src/tensors/index.js';

/** One of the live model's weights. */
export interface LiveWeight {
  /** canonical */
  readonly name: string;
  /** as the user, or tfjs, named it */
  readonly original: string;
  readonly variable: tf.Variable;
  readonly trainable: boolean;
}

/** One factor of an adapted matrix [out, in]. */
export interface LiveFactor {
  readonly variable: tf.Variable;
  /** the variable holds it the other way round */
  readonly transposed: boolean;
}

/** The LoRA adapter of a frozen matrix [out, in]: its task vector is scale left right. */
export interface LiveFactors {
  /** [out, r]; B of PEFT's two factors, the transpose of A of an embedding: the one that training starts with zeros in */
  readonly left: LiveFactor;
  /** [r, in] */
  readonly right: LiveFactor;
  readonly rank: number;
  /** alpha / r */
  readonly scale: number;
}

/** The factors for one matrix, as far as they are there. */
export interface FactorPair {
  readonly A: LiveWeight | null;
  readonly B: LiveWeight | null;
  /** those of an embedding make its transpose */
  readonly embedding: boolean;
}

export interface SortedFactors {
  /** by canonical name of the matrix that they adapt */
  readonly pairs: ReadonlyMap<string, FactorPair>;
  /** what is no factor */
  readonly others: readonly LiveWeight[];
  readonly problems: readonly string[];
}

/** As PEFT names them: `<module>.lora_A`, `.lora_B.weight`, `.lora_A.<adapter>.weight`, `.lora_embedding_A.<adapter>` */
const FACTOR = /^(?:(.+)\.)?lora_(embedding_)?([AB])(?:\.[^.]+){0,2}(?<!\.bias)$/;
/** What else belongs to an adapter, such as DoRA's `lora_magnitude_vector`. */
const PART = /^(?:(.+)\.)?lora_[^.]+/;
/** `lora_bias` of PEFT: what the adapter adds to the module's bias */
const BIAS = /(^|\.)lora_(embedding_)?[AB](\.[^.]+)?\.bias$/;

export function isFactorBias(name: string): boolean {
  return BIAS.test(name);
}

/** Canonical name of the matrix that a factor is for; null where the name is no factor's. */
export function adaptedMatrix(name: string): string | null {
  const match = FACTOR.exec(name);
  return match && matrixOf(match[1]);
}

/** The factors of LoRA adapters by the matrix they are for; problems: two for one place, parts of other adapters. */
export function sortFactors(weights: readonly LiveWeight[]): SortedFactors {
  const pairs = new Map<string, FactorPair>();
  const others: LiveWeight[] = [];
  const problems: string[] = [];
  for (const weight of weights) {
    const match = FACTOR.exec(weight.name);
    if (match === null) {
      others.push(weight);
      continue;
    }
    const [, module, mark, letter] = match;
    const embedding = mark !== undefined;
    const name = matrixOf(module);
    const pair = pairs.get(name) ?? { A: null, B: null, embedding };
    const present = pair[letter as 'A' | 'B'] ?? (pair.embedding === embedding ? null : (pair.A ?? pair.B));
    if (present !== null) {
      problems.push(`"${present.original}" and "${weight.original}" are both for ${name}; keep one adapter`);
      continue;
    }
    pairs.set(name, { ...pair, [letter]: weight });
  }
  for (const { name, original } of others) {
    const part = PART.exec(name);
    if (part !== null && pairs.has(matrixOf(part[1])) && !isFactorBias(name)) {
      problems.push(
        `"${original}" is no part of plain LoRA (a magnitude vector is DoRA's), whose task vector is not scale B A; such adapters are not watched live`,
      );
    }
  }
  return { pairs, others, problems };
}

function matrixOf(module: string | undefined): string {
  return module === undefined ? 'weight' : `${module}.weight`;
}

/** A tensor that factors may belong to. */
interface Target {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
}

/**
 * The adapters by name of their matrix.
 * @throws MergeguardError with every factor that has no partner or no matrix, or does not fit it
 */
export function liveFactors(
  { pairs, problems: sorting }: SortedFactors,
  shared: readonly Target[],
  excluded: readonly { readonly name: string; readonly reason: string }[],
  scale: number,
): ReadonlyMap<string, LiveFactors> {
  const targets = new Map(shared.map((tensor) => [tensor.name, tensor]));
  const reasons = new Map(excluded.map(({ name, reason }) => [name, reason]));
  const problems = [...sorting];
  const adapters = new Map<string, LiveFactors>();
  for (const [name, { A, B, embedding }] of pairs) {
    const target = targets.get(name);
    if (A === null || B === null) {
      const letter = A === null ? 'A' : 'B';
      problems.push(`"${(A ?? B)!.original}" is there without the lora_${letter} that goes with it`);
    }
    if (target === undefined) {
      const what = [A, B]
        .flatMap((factor) => (factor === null ? [] : [`"${factor.original}"`]))
        .join(' and ');
      problems.push(`${what} adapt ${name}, ${whyMissing(name, reasons, targets)}`);
    } else if (A !== null && B !== null) {
      const adapter = adapterOf({ A, B, embedding }, scale);
      problems.push(...problemsOf(target, A, B, adapter));
      adapters.set(name, adapter);
    }
  }
  problems.push(...sharedFactors(adapters));
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('the LoRA adapters of the live model do not fit:', problems));
  }
  return adapters;
}

function whyMissing(
  name: string,
  reasons: ReadonlyMap<string, string>,
  targets: ReadonlyMap<string, Target>,
): string {
  const reason = reasons.get(name);
  if (reason !== undefined) {
    return `which is left out (${reason})`;
  }
  const meant = nearest(name, [...targets.keys()]);
  return `which is not among the weights${meant === null ? '' : `; nearest there: ${meant}`}`;
}

function adapterOf(pair: { A: LiveWeight; B: LiveWeight; embedding: boolean }, scale: number): LiveFactors {
  const [first, second] = pair.embedding ? [pair.A, pair.B] : [pair.B, pair.A];
  const factor = ({ original, variable }: LiveWeight): LiveFactor => {
    const isTurned = canonicalVariable(original, variable.shape).permutation !== null;
    return { variable, transposed: isTurned !== pair.embedding };
  };
  const left = factor(first);
  const rank = left.variable.shape[left.transposed ? 0 : 1] ?? 0;
  return { left, right: factor(second), rank, scale };
}

function problemsOf(target: Target, A: LiveWeight, B: LiveWeight, adapter: LiveFactors): string[] {
  const { name, shape, trainable } = target;
  const problems: string[] = [];
  const names = `"${A.original}" and "${B.original}"`;
  if (trainable) {
    problems.push(
      `${name} is trainable and has the factors ${names}: full fine-tuning and an adapter on one matrix are not watched; freeze it (\`tf.variable(value, false)\`), or leave the factors out`,
    );
  }
  for (const { original, variable } of [A, B].filter(({ variable: { dtype } }) => dtype !== 'float32')) {
    problems.push(`"${original}" is ${variable.dtype}; factors must be float32`);
  }
  if (shape.length !== 2) {
    problems.push(
      `${name} is ${formatShape(shape)}; only matrices can have an adapter that is watched: leave ${names} out`,
    );
    return problems;
  }
  const [left, right] = [adapter.left, adapter.right].map(shapeOf);
  const [out, width] = shape;
  const fits = left.length === 2 && right.length === 2 && left[1] === right[0];
  if (!fits || left[0] !== out || right[1] !== width) {
    const isFlipped = adapter.left.variable === A.variable;
    const [first, second] = isFlipped ? [width, out] : [out, width];
    problems.push(
      `"${A.original}" is ${formatShape(canonicalShape(A))} and "${B.original}" ${formatShape(canonicalShape(B))}; the adapter of ${name} ${formatShape(shape)} has A [rank, ${second}] and B [${first}, rank]`,
    );
  }
  return problems;
}

/** In the factor's own orientation. */
function shapeOf({ variable, transposed }: LiveFactor): readonly number[] {
  return transposed ? [...variable.shape].reverse() : variable.shape;
}

function canonicalShape({ original, variable }: LiveWeight): readonly number[] {
  return canonicalVariable(original, variable.shape).shape;
}

/** Scaling a task vector scales its left factor: one for two matrices would be scaled twice. */
function sharedFactors(adapters: ReadonlyMap<string, LiveFactors>): string[] {
  const owners = new Map<tf.Variable, string>();
  const problems: string[] = [];
  for (const [name, { left }] of adapters) {
    const owner = owners.get(left.variable);
    if (owner !== undefined) {
      problems.push(`${owner} and ${name} have one variable for B; give each its own`);
    }
    owners.set(left.variable, name);
  }
  return problems;
}
