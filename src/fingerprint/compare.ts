import type { Fingerprint } from './schema.js';
import { mean } from './statistics.js';
import { metricsOnlyWeights, richestVariant, type Weights, weightsOf } from './weights.js';

/** How alike two sets of weights are, 0..1; null where there is nothing to compare. */
export interface Likeness {
  /** share of the five largest weights that both have; of as many as there are, where both have fewer */
  readonly overlap: number | null;
  /** share with the same sign among the metrics that carry weight in both */
  readonly signs: number | null;
}

/** Means over pairs of weights. */
export interface Agreement extends Likeness {
  readonly pairs: number;
  /** why a mean is null or is of fewer pairs, and what it rests on, a sentence each */
  readonly notes: readonly string[];
}

/** Of the programs with effects, and of those of metrics alone, which is what the study's fingerprints are. */
export interface Agreements {
  readonly withEffects: Agreement;
  readonly metricsOnly: Agreement;
}

/** The same merge methods in two fingerprints. */
export interface FilesComparison {
  readonly methods: Readonly<Record<string, Readonly<Record<keyof Agreements, Likeness>>>>;
  readonly mean: Agreements;
  /** merge methods that only one of the two has */
  readonly unshared: readonly string[];
}

/** Agreement across merge methods that the study (arXiv 2601.22285) reports for its own fingerprints. */
export const STUDY = [
  { version: 'first version', methods: 4, overlap: 0.467, signs: 0.553 },
  { version: 'later version', methods: 5, overlap: 0.64, signs: 0.793 },
] as const;

const TOP = 5;

interface Named {
  readonly name: string;
  readonly weights: Weights;
}

/** What two random choices among `metrics` metrics, with random signs, agree in on the mean. */
export function chanceOf(metrics: number): { metrics: number; overlap: number; signs: number } {
  return { metrics, overlap: Math.min(1, TOP / metrics), signs: 0.5 };
}

/** How alike the merge methods of one fingerprint are: means over all pairs of methods, by their richest variants. */
export function compareMethods(fingerprint: Fingerprint): Agreements {
  const methods = Object.keys(fingerprint.methods);
  const across = (kind: keyof Agreements) => {
    const named = methods.map((method) => richest(fingerprint, method, kind));
    const pairs = named.flatMap((a, i) => named.slice(i + 1).map((b) => [a, b] as const));
    return agreementOf(pairs, `it takes two merge methods, and there are: ${methods.join(', ') || 'none'}`);
  };
  return { withEffects: across('withEffects'), metricsOnly: across('metricsOnly') };
}

/** How alike every merge method that two fingerprints share is in both, by its richest variants. Symmetric. */
export function compareFingerprints(a: Fingerprint, b: Fingerprint): FilesComparison {
  const [methodsA, methodsB] = [Object.keys(a.methods), Object.keys(b.methods)];
  const shared = methodsA.filter((method) => methodsB.includes(method));
  const pairsOf = (kind: keyof Agreements) =>
    shared.map((method) => [richest(a, method, kind), richest(b, method, kind)] as const);
  const pairs = { withEffects: pairsOf('withEffects'), metricsOnly: pairsOf('metricsOnly') };
  const none = 'they have no merge method in common';
  return {
    methods: Object.fromEntries(
      shared.map((method, i) => [
        method,
        { withEffects: likenessOf(pairs.withEffects[i]), metricsOnly: likenessOf(pairs.metricsOnly[i]) },
      ]),
    ),
    mean: {
      withEffects: agreementOf(pairs.withEffects, none),
      metricsOnly: agreementOf(pairs.metricsOnly, none),
    },
    unshared: [...methodsA, ...methodsB].filter((method) => !shared.includes(method)),
  };
}

/** Symmetric; both are 1 for weights that are the same. */
export function likeness(a: Weights, b: Weights): Likeness {
  const [topA, topB] = [a, b].map((weights) => [...weights.keys()].slice(0, TOP));
  const most = Math.max(topA.length, topB.length);
  const common = [...a].filter(([name]) => b.has(name));
  const agreeing = common.filter(([name, weight]) => weight * (b.get(name) as number) > 0);
  return {
    overlap: most === 0 ? null : topA.filter((name) => topB.includes(name)).length / most,
    signs: common.length === 0 ? null : agreeing.length / common.length,
  };
}

function likenessOf([a, b]: readonly [Named, Named]): Likeness {
  return likeness(a.weights, b.weights);
}

function richest(fingerprint: Fingerprint, method: string, kind: keyof Agreements): Named {
  const variant = richestVariant(fingerprint.methods[method]);
  return {
    name: method,
    weights: kind === 'withEffects' ? weightsOf(variant) : metricsOnlyWeights(variant),
  };
}

/** @param whyNone said where there are no pairs */
function agreementOf(pairs: readonly (readonly [Named, Named])[], whyNone: string): Agreement {
  if (pairs.length === 0) {
    return { pairs: 0, overlap: null, signs: null, notes: [whyNone] };
  }
  const each = pairs.map(likenessOf);
  const labels = pairs.map(([a, b]) => (a.name === b.name ? a.name : `${a.name} and ${b.name}`));
  const notes: string[] = [];
  const few = pairs
    .flat()
    .filter(({ weights }) => weights.size < TOP)
    .map(({ name, weights }) => `${name} (${weights.size})`);
  if (few.length > 0) {
    const list = [...new Set(few)].join(', ');
    notes.push(`methods in which fewer than ${TOP} metrics carry weight: ${list}`);
  }
  const unlike = labels.filter((_, i) => each[i].signs === null);
  if (unlike.length > 0) {
    notes.push(`no metric carries weight in both, so no signs to compare: ${unlike.join(', ')}`);
  }
  const empty = labels.filter((_, i) => each[i].overlap === null);
  if (empty.length > 0) {
    notes.push(`no metric carries weight in either, so no overlap: ${empty.join(', ')}`);
  }
  return {
    pairs: pairs.length,
    overlap: meanOrNull(each.map(({ overlap }) => overlap)),
    signs: meanOrNull(each.map(({ signs }) => signs)),
    notes,
  };
}

function meanOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? mean(known) : null;
}
