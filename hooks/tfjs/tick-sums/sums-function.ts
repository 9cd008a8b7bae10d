import { BLOCK } from '../flat-layout.js';
import { type Comparison, rowCount } from './compare-code.js';
import { attribute, FunctionWriter } from './function-def.js';

/** A tensor of a chunk: with a base to be subtracted, or a task vector that has been made. */
export interface Part {
  readonly size: number;
  readonly hasBase: boolean;
}

const FLOATS = { T: attribute.float };
const SHAPED = { T: attribute.float, Tshape: attribute.int };

/**
 * The sums of a chunk [rows * tensors] as one function, which XLA compiles to a kernel that writes the task vector, one that reads
 * it and everything else once, and small ones. Arguments: each part, with its base where it has one; the tensor that each
 * block belongs to; with gradients their running sums and the counter that corrects them; then task vector and gradient of
 * each reference.
 */
export function sumsFunction(name: string, parts: readonly Part[], comparison: Comparison): Buffer {
  const f = new FunctionWriter(name);
  const blocks = parts.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK), 0);
  const byBlock = f.integers([blocks, BLOCK]);
  const inBlocks = (vector: string) => f.node('Reshape', [vector, byBlock], 'output', SHAPED);
  const multiply = (a: string, b: string) => f.node('Mul', [a, b], 'z', FLOATS);
  const subtract = (a: string, b: string) => f.node('Sub', [a, b], 'z', FLOATS);
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
  const tau = inBlocks(joined(f, parts));
  const owner = f.input('int');
  let gradient: string | null = null;
  if (comparison.gradient) {
    const sums = inBlocks(f.input());
    gradient = f.node('RealDiv', [sums, subtract(f.number(1), f.input())], 'z', FLOATS);
  }
  const rows: string[] = [];
  if (comparison.live) {
    rows.push(sum(multiply(tau, tau)), gradient ? sum(multiply(gradient, gradient)) : nothing);
  }
  const compare = (one: string) => {
    const other = inBlocks(f.input());
    const difference = subtract(one, other);
    rows.push(sum(multiply(one, other)), sum(multiply(difference, difference)));
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
  return f.returning(f.node('SelectV2', [finite, flat, f.number(Number.NaN)], 'output', FLOATS));
}

/** The task vector of the chunk, zeros between tensors. */
function joined(f: FunctionWriter, parts: readonly Part[]): string {
  const pieces = parts.flatMap(({ size, hasBase }) => {
    const value = f.input();
    const tau = hasBase ? f.node('Sub', [value, f.input()], 'z', FLOATS) : value;
    const flat = f.node('Reshape', [tau, f.integers([size])], 'output', SHAPED);
    const padding = Math.ceil(size / BLOCK) * BLOCK - size;
    if (padding === 0) {
      return [flat];
    }
    const zeros = f.node('Fill', [f.integers([padding]), f.number(0)], 'output', {
      T: attribute.float,
      index_type: attribute.int,
    });
    return [flat, zeros];
  });
  if (pieces.length === 1) {
    return pieces[0];
  }
  return f.node('ConcatV2', [...pieces, f.integer(0)], 'output', {
    N: attribute.count(pieces.length),
    T: attribute.float,
    Tidx: attribute.int,
  });
}
