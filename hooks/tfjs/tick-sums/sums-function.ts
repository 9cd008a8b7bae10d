import { attribute, FunctionWriter } from '../compute/function-def.js';
import { joined } from '../compute/function-join.js';
import { BLOCK } from '../flat-layout.js';
import { type Comparison, rowCount } from './compare-code.js';

/** A tensor of a chunk: with a base to be subtracted, or a task vector that has been made. */
export interface Part {
  readonly size: number;
  readonly hasBase: boolean;
}

const FLOATS = { T: attribute.float };
const SHAPED = { T: attribute.float, Tshape: attribute.int };

/**
 * The sums of a chunk [rows * tensors] as one function. XLA makes of it a kernel that writes the task vector, one that reads it
 * and everything else once, and small ones. Run one by one its operations write what they find and read it again.
 *
 * Arguments: each part, with its base where it has one; the tensor that each block belongs to; with gradients their running
 * sums and the counters that correct them; then task vector and gradient of each reference.
 */
export function sumsFunction(
  name: string,
  parts: readonly Part[],
  comparison: Comparison,
  isCompiled: boolean,
): Buffer {
  const f = new FunctionWriter(name);
  const blocks = parts.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK), 0);
  const byBlock = f.integers([blocks, BLOCK]);
  const inBlocks = (vector: string) => f.node('Reshape', [vector, byBlock], 'output', SHAPED);
  const square = (a: string) => f.node('Square', [a], 'y', FLOATS);
  const both = (operation: string, a: string, b: string) => f.node(operation, [a, b], 'z', FLOATS);
  const nothing = f.node('Fill', [f.integers([blocks]), f.number(Number.NaN)], 'output', {
    T: attribute.float,
    index_type: attribute.int,
  });
  const sum = (products: string) =>
    f.node('Sum', [products, f.integers([1])], 'output', {
      T: attribute.float,
      Tidx: attribute.int,
      keep_dims: attribute.flag(false),
    });
  const tau = inBlocks(taskVector(f, parts));
  const owner = f.input('int');
  let gradient: string | null = null;
  if (comparison.gradient) {
    const sums = inBlocks(f.input());
    gradient = both('RealDiv', sums, both('Sub', f.number(1), first(f, f.input())));
  }
  const rows: string[] = [];
  if (comparison.live) {
    rows.push(sum(square(tau)), gradient ? sum(square(gradient)) : nothing);
  }
  const compare = (one: string) => {
    const other = inBlocks(f.input());
    rows.push(sum(both('Mul', one, other)), sum(both('SquaredDifference', one, other)));
  };
  for (const hasGradient of comparison.references) {
    compare(tau);
    if (gradient && hasGradient) {
      compare(gradient);
    } else {
      rows.push(nothing, nothing);
    }
  }
  const stacked = f.node('Pack', rows, 'output', {
    T: attribute.float,
    N: attribute.count(rows.length),
    axis: attribute.count(1),
  });
  const totals = f.node('UnsortedSegmentSum', [stacked, owner, f.integer(parts.length)], 'output', {
    T: attribute.float,
    Tindices: attribute.int,
    Tnumsegments: attribute.int,
  });
  const turned = f.node('Transpose', [totals, f.integers([1, 0])], 'y', {
    T: attribute.float,
    Tperm: attribute.int,
  });
  const flat = f.node(
    'Reshape',
    [turned, f.integers([rowCount(comparison) * parts.length])],
    'output',
    SHAPED,
  );
  const finite = f.node('IsFinite', [flat], 'y', FLOATS);
  const result = f.node('SelectV2', [finite, flat, f.number(Number.NaN)], 'output', FLOATS);
  return f.returning([result], isCompiled);
}

/** [1], of a scalar or a vector */
function first(f: FunctionWriter, counters: string): string {
  const vector = f.node('Reshape', [counters, f.integers([-1])], 'output', SHAPED);
  return f.node('Slice', [vector, f.integers([0]), f.integers([1])], 'output', {
    T: attribute.float,
    Index: attribute.int,
  });
}

/** The task vector of the chunk. */
function taskVector(f: FunctionWriter, parts: readonly Part[]): string {
  const pieces = parts.map(({ size, hasBase }) => {
    const value = f.input();
    return { size, value: hasBase ? f.node('Sub', [value, f.input()], 'z', FLOATS) : value };
  });
  return joined(f, pieces);
}
