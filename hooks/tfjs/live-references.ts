import { checkReference, type Reference, readReference } from '../../src/reference/index.js';
import {
  baseIdentity,
  compareTensors,
  MergeguardError,
  type NamedTensors,
  shapesOf,
} from '../../src/tensors/index.js';
import { isWatched, type Layout } from './layout.js';

/** References, files read. @throws MergeguardError where two have one name */
export async function loadReferences(given: readonly (string | Reference)[]): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const reference of given) {
    references.push(typeof reference === 'string' ? await readReference(reference) : reference);
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

/** Subspaces of different width do not compare. Those of a matrix with an adapter are at most as wide as its rank. */
export function subspaceLimits({ subspaces }: Reference, { shared }: Layout, k: number): string[] {
  const others: string[] = [];
  let common = k;
  for (const { name, shape, factors } of shared.filter(isWatched)) {
    const stored = subspaces.get(name);
    const rank = factors?.rank ?? k;
    if (stored && stored.k !== Math.min(k, rank, ...shape)) {
      others.push(`${name}: ${stored.k}${rank < k ? `, and its adapter here has rank ${rank}` : ''}`);
      common = Math.min(common, rank);
    }
  }
  if (others.length === 0) {
    return [];
  }
  const way = common < k ? `and set tap.k = ${common}` : 'or set tap.k';
  return [
    `the subspaces of ${others.length} matrices have another width than tap.k = ${k} asks for (${others[0]}): subspace metrics are null; make the reference again with k = ${common}, ${way}`,
  ];
}
