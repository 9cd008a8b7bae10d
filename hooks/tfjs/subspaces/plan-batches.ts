/** A matrix that may be measured in one batch with others of its kind. */
export interface Batchable {
  readonly tensor: number;
  /** that have to be stacked */
  readonly elements: number;
  readonly kind: string;
}

/**
 * Batches of matrices of one kind, as tensors, in the order of their first ones.
 * @param most elements of all matrices of a batch together, unless a single one has more
 */
export function planBatches(matrices: readonly Batchable[], most: number): number[][] {
  const batches: number[][] = [];
  /** the last batch of a kind, and the elements that it has room for */
  const open = new Map<string, { batch: number[]; room: number }>();
  for (const { tensor, elements, kind } of matrices) {
    const last = open.get(kind);
    if (last !== undefined && elements <= last.room) {
      last.batch.push(tensor);
      last.room -= elements;
    } else {
      const batch = [tensor];
      batches.push(batch);
      open.set(kind, { batch, room: most - elements });
    }
  }
  return batches;
}
