import { checkReference, type Reference, readReference } from '../../src/reference/index.js';
import {
  baseIdentity,
  compareTensors,
  MergeguardError,
  type NamedTensors,
  shapesOf,
} from '../../src/tensors/index.js';
import type { Layout } from './layout.js';

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

/** Subspaces of different width do not compare. */
export function subspaceLimits({ subspaces, tensors }: Reference, k: number): string[] {
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const narrow = [...subspaces].filter(
    ([name, subspace]) => subspace.k !== Math.min(k, ...(shapes.get(name) ?? [])),
  );
  if (narrow.length === 0) {
    return [];
  }
  const [name, subspace] = narrow[0];
  return [
    `the subspaces of ${narrow.length} matrices have another width than tap.k = ${k} asks for (${name}: ${subspace.k}): subspace metrics are null; make the reference again with k = ${k}, or set tap.k`,
  ];
}
