import { createHash } from 'node:crypto';
import { elementCount, formatShape, type ValueRange } from '../tensors/index.js';
import type { ModelAtRest } from './model.js';
import type { NamedCheckpoint, Values } from './named-checkpoint.js';
import type { SharedTensor } from './shared-tensors.js';

/** Values read at a time. */
const STRETCH = 1 << 20;
/** Values that tell nearly all tensors apart. */
const FIRST_STRETCH = 256;

/** What tensors are told apart by: tensors of one key may be tied. */
type Key = (tensor: SharedTensor) => Promise<string> | string;

/**
 * Matrices that are one weight stored twice (tied input and output embeddings): the same values as an earlier one in the base and in
 * every model. Name -> the earlier name. Counted twice they would weigh twice in every metric.
 *
 * No tensor is compared with another: groups of equal ones are split by what is read next, so that whatever there is
 * of one shape is read once, and only the first values of what is tied to nothing.
 */
export async function tiedTensors(
  base: NamedCheckpoint | null,
  models: readonly ModelAtRest[],
  tensors: readonly SharedTensor[],
): Promise<Map<string, string>> {
  const tied = new Map<string, string>();
  if (base === null) {
    return tied;
  }
  // Vectors are often equal without being tied: all ones, all zeros.
  let groups = [tensors.filter(({ shape }) => shape.length >= 2)];
  for (const key of keysOf(base, models)) {
    groups = await split(groups, key);
  }
  for (const [first, ...others] of groups) {
    for (const { name } of others) {
      tied.set(name, first!.name);
    }
  }
  return tied;
}

/** What tells tensors apart, the cheapest first. */
function keysOf(base: NamedCheckpoint, models: readonly ModelAtRest[]): Key[] {
  const keys: Key[] = [({ shape }) => formatShape(shape)];
  for (const model of models) {
    // Factors are not compared: adapters do not tie what they adapt.
    keys.push(({ name }) => (model.form(name) === 'low-rank' ? name : model.form(name)));
  }
  for (const most of [FIRST_STRETCH, Number.POSITIVE_INFINITY]) {
    keys.push((tensor) => digest(tensor, most, (range) => base.read(tensor.name, range)));
    for (const model of models) {
      keys.push((tensor) => digestOfModel(tensor, most, model, base));
    }
  }
  return keys;
}

/** Groups of two and more that have one key. */
async function split(groups: readonly SharedTensor[][], key: Key): Promise<SharedTensor[][]> {
  const smaller: SharedTensor[][] = [];
  for (const group of groups) {
    const byKey = new Map<string, SharedTensor[]>();
    for (const tensor of group) {
      const found = await key(tensor);
      const equal = byKey.get(found);
      if (equal === undefined) {
        byKey.set(found, [tensor]);
      } else {
        equal.push(tensor);
      }
    }
    smaller.push(...[...byKey.values()].filter(({ length }) => length > 1));
  }
  return smaller;
}

function digestOfModel(
  tensor: SharedTensor,
  most: number,
  model: ModelAtRest,
  base: NamedCheckpoint,
): Promise<string> | string {
  const { name } = tensor;
  return model.form(name) === 'dense'
    ? digest(tensor, most, (range) => model.tau(name, range, () => base.read(name, range)))
    : '';
}

/** Of a tensor's first values, `most` of them. */
async function digest(
  { shape }: SharedTensor,
  most: number,
  read: (range: ValueRange) => Promise<Values>,
): Promise<string> {
  const size = Math.min(elementCount(shape), most);
  const hash = createHash('sha256');
  for (let start = 0; start < size; start += STRETCH) {
    const { buffer, byteOffset, byteLength } = await read({ start, count: Math.min(STRETCH, size - start) });
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}
