import { checkReference, type Reference, readReference } from '../../src/reference/index.js';
import {
  baseIdentity,
  compareTensors,
  MergeguardError,
  type NamedTensors,
  shapesOf,
} from '../../src/tensors/index.js';
import { isWatched, type Layout } from './layout.js';
import { narrowSubspaces } from './narrow-subspaces.js';

/** References with subspaces at most k wide, files read. @throws MergeguardError where two have one name */
export async function loadReferences(
  given: readonly (string | Reference)[],
  k: number,
): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const reference of given) {
    const loaded = typeof reference === 'string' ? await readReference(reference) : reference;
    references.push(narrowSubspaces(loaded, k));
  }
  const names = references.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new MergeguardError(`two references are named "${twice}"; give each its own name`);
  }
  return references;
}

/** Tensors that every one of the references shares with its base; none without references. */
export function heldByAll(references: readonly Reference[]): ReadonlySet<string> {
  const [first, ...others] = references.map(({ tensors }) => new Set(tensors.map(({ name }) => name)));
  return new Set([...(first ?? [])].filter((name) => others.every((names) => names.has(name))));
}

/** @throws MergeguardError for a reference that was not made from the live model's base, with every mismatch at once */
export function checkReferences(references: readonly Reference[], layout: Layout, base: NamedTensors): void {
  const shapes = new Map(layout.shared.map(({ name, shape }) => [name, shape]));
  compareTensors(shapes, shapesOf(base), { what: 'the base' });
  if (references.length > 0) {
    const live = { baseHash: baseIdentity(base), shapes };
    for (const reference of references) {
      checkReference(reference, live);
    }
  }
}

/**
 * Subspaces of different width do not compare, and those of low-rank task vectors are at most as wide as the rank. `reference`
 * is one that `loadReferences` gave for this k.
 */
export function subspaceLimits({ subspaces, factors }: Reference, { shared }: Layout, k: number): string[] {
  const others: string[] = [];
  let common = k;
  for (const { name, shape, factors: adapter } of shared.filter(isWatched)) {
    const stored = subspaces.get(name);
    const here = Math.min(k, adapter?.rank ?? k, ...shape);
    if (stored && stored.k !== here) {
      others.push(`${name}: ${stored.k} there, ${here} here`);
      common = Math.min(common, adapter ? here : k, factors.has(name) ? stored.k : k);
    }
  }
  if (others.length === 0) {
    return [];
  }
  const way = common < k ? `set tap.k = ${common}` : `make the reference again with k = ${k}, or set tap.k`;
  return [
    `the subspaces of ${others.length} matrices have another width than the live ones with tap.k = ${k} (${others[0]}): subspace metrics are null; ${way}`,
  ];
}
