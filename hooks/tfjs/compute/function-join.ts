import { BLOCK } from '../flat-layout.js';
import { attribute, type FunctionWriter } from './function-def.js';

/** Tensors of any shape as one vector, as FlatLayout lays them: each starts at a multiple of BLOCK, with zeros between. */
export function joined(
  f: FunctionWriter,
  tensors: readonly { readonly value: string; readonly size: number }[],
): string {
  const pieces = tensors.flatMap(({ value, size }) => {
    const shaped = { T: attribute.float, Tshape: attribute.int };
    const flat = f.node('Reshape', [value, f.integers([size])], 'output', shaped);
    const padding = Math.ceil(size / BLOCK) * BLOCK - size;
    if (padding === 0) {
      return [flat];
    }
    const filled = { T: attribute.float, index_type: attribute.int };
    return [flat, f.node('Fill', [f.integers([padding]), f.number(0)], 'output', filled)];
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
