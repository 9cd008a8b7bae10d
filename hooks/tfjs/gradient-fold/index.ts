import { computeBackend } from '../compute/compute-program.js';
import { functionWays } from '../compute/functions.js';
import type { Way } from '../compute/working-way.js';
import { FunctionFold } from './function-fold.js';
import type { FoldSources, GradientFold } from './gradient-fold.js';
import { PlainFold } from './plain-fold.js';
import { WebgpuFold } from './webgpu-fold.js';
import { WorkingFold } from './working-fold.js';

export * from './gradient-fold.js';

export type FoldWay = Way<FoldSources, GradientFold>;

/** The ways that the active backend has: the fastest first, the plain one last. */
export function foldWays(): readonly FoldWay[] {
  const plain: FoldWay = { name: 'plain', make: (sources) => new PlainFold(sources) };
  const compute = computeBackend();
  if (compute) {
    return [{ name: 'kernels', make: (sources) => new WebgpuFold(compute, sources) }, plain];
  }
  // XLA moves a third of the bytes, but joins tensors by a chain of selects that grows with their number: on a processor it was five
  // times slower, and nobody has measured it on a GPU.
  const ways = functionWays();
  const ordered = [...ways.filter((way) => !way.isCompiled), ...ways.filter((way) => way.isCompiled)];
  const functions = ordered.map(
    ({ name, isCompiled }): FoldWay => ({ name, make: (sources) => new FunctionFold(sources, isCompiled) }),
  );
  return [...functions, plain];
}

/** By the fastest way that works. */
export function gradientFold(sources: FoldSources): GradientFold {
  return new WorkingFold(foldWays(), sources);
}
