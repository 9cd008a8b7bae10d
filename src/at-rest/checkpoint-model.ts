import type { ModelAtRest } from './model.js';
import { NamedCheckpoint, type Values } from './named-checkpoint.js';

/** A fine-tuned checkpoint: its task vector is what it holds minus the base. */
export async function openCheckpointModel(
  path: string,
  name: string,
  precise: boolean,
): Promise<ModelAtRest> {
  const checkpoint = await NamedCheckpoint.open(path, precise);
  return {
    name,
    path,
    kind: 'checkpoint',
    task: name,
    shapes: checkpoint.shapes,
    excluded: checkpoint.excluded,
    baseHash: null,
    form: () => 'dense',
    async tau(tensor, range, base) {
      const [values, from] = [await checkpoint.read(tensor, range), await base()];
      return subtract(values, from);
    },
    weights: (tensor, range) => checkpoint.read(tensor, range),
    factors: (tensor) => Promise.reject(new Error(`${tensor} is not of low rank`)),
    storedParts: async () => undefined,
    close: () => checkpoint.close(),
  };
}

/** values - base, in place. */
export function subtract(values: Values, base: Values): Values {
  for (let i = 0; i < values.length; i++) {
    values[i]! -= base[i]!;
  }
  return values;
}
