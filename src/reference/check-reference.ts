import { listProblems, MergeguardError, matchTensors, type Shapes } from '../tensors/index.js';
import type { Reference } from './reference.js';

/** What a reference must fit. Where the live model's names differ, both are given under the reference's names. */
export interface LiveModel {
  /** `baseIdentity` of the live model's base, shared tensors only */
  readonly baseHash: string;
  /** shared tensors of the live model */
  readonly shapes: Shapes;
}

/**
 * Checks that a reference was made from the live model's base and has the same shared tensors.
 * @throws MergeguardError with both bases' hashes (shortened) where they differ, and with every missing tensor,
 * extra tensor and shape mismatch
 */
export function checkReference(reference: Reference, live: LiveModel): void {
  const what = `reference "${reference.name}"`;
  const shapes = new Map(reference.tensors.map((tensor) => [tensor.name, tensor.shape]));
  const { problems } = matchTensors(live.shapes, shapes);
  if (reference.baseHash !== live.baseHash) {
    const there = reference.baseHash.slice(0, 12);
    const here = live.baseHash.slice(0, 12);
    const heading = `${what} was made from another base (${there} there, ${here} here); load the base that it was fine-tuned from, or make it again from this one`;
    throw new MergeguardError(problems.length === 0 ? heading : listProblems(`${heading}:`, problems));
  }
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(`${what} does not fit the live model; was it fine-tuned from another base?`, problems),
    );
  }
}
