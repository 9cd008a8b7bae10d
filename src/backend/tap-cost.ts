/** Bytes of a float32, which everything of the tap is. */
const ELEMENT = 4;

/**
 * What a tick must move at least: weights, base and gradient average, and of every reference its task vector and its gradient, each
 * of them read once.
 */
export function tickBytes(parameters: number, references: number): number {
  return ELEMENT * parameters * (3 + 2 * references);
}

/** What a folded step must move at least: the gradient and the average read, the average written. */
export function foldBytes(parameters: number): number {
  return ELEMENT * parameters * 3;
}

/** What the tap keeps on the device: the base, the gradient average, and every reference's task vector and gradient. */
export function tapMemoryBytes(parameters: number, references: number): number {
  return ELEMENT * parameters * (2 + 2 * references);
}

/** Of these that which references take, which is held against their budget. */
export function referenceMemoryBytes(parameters: number, references: number): number {
  return ELEMENT * parameters * 2 * references;
}
