import { attribute, FunctionWriter } from '../compute/function-def.js';
import { joined } from '../compute/function-join.js';

const FLOATS = { T: attribute.float };

/**
 * A fold as one function. Arguments: the gradient of each tensor, chunk by chunk; the running sums of each chunk; the counters [3];
 * the step. Results: the sums, the counters.
 * @param sizes of the tensors of each chunk
 */
export function foldFunction(
  name: string,
  sizes: readonly (readonly number[])[],
  decay: number,
  isCompiled: boolean,
): Buffer {
  const f = new FunctionWriter(name);
  const multiply = (a: string, b: string) => f.node('Mul', [a, b], 'z', FLOATS);
  const add = (a: string, b: string) => f.node('AddV2', [a, b], 'z', FLOATS);
  const gradients = sizes.map((ofChunk) => {
    const tensors = ofChunk.map((size) => ({ value: f.input(), size }));
    return joined(f, tensors);
  });
  const allFinite = gradients
    .map((gradient) =>
      f.node('All', [f.node('IsFinite', [gradient], 'y', FLOATS), f.integers([0])], 'output', {
        Tidx: attribute.int,
        keep_dims: attribute.flag(false),
      }),
    )
    .reduce((one, other) => f.node('LogicalAnd', [one, other], 'z'));
  const choose = (finite: string, broken: string) =>
    f.node('SelectV2', [allFinite, finite, broken], 'output', FLOATS);
  const keep = choose(f.number(decay), f.number(1));
  const weight = choose(f.number(1 - decay), f.number(0));
  const sums = gradients.map((gradient) => {
    // A product that is 0 where the weight is, also of what is not finite.
    const added = f.node('MulNoNan', [gradient, weight], 'z', FLOATS);
    return add(multiply(f.input(), keep), added);
  });
  const counters = f.input();
  const step = f.input();
  const folded = add(multiply(counters, f.numbers([decay, 1, 0])), multiply(step, f.numbers([0, 0, 1])));
  const leftOut = add(counters, f.numbers([0, 1, 0]));
  return f.returning([...sums, choose(folded, leftOut)], isCompiled);
}
