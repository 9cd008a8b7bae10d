import { computeBackend } from '../compute/compute-program.js';
import type { FoldSources, GradientFold } from './gradient-fold.js';
import { PlainFold } from './plain-fold.js';
import { WebgpuFold } from './webgpu-fold.js';

export * from './gradient-fold.js';

/** A way of folding, by its name. */
export interface FoldWay {
  readonly name: string;
  make(sources: FoldSources): GradientFold;
}

/** The ways that the active backend has: the fastest first, the plain one last. */
export function foldWays(): readonly FoldWay[] {
  const plain = { name: 'plain', make: (sources: FoldSources) => new PlainFold(sources) };
  const compute = computeBackend();
  if (compute) {
    return [{ name: 'kernels', make: (sources) => new WebgpuFold(compute, sources) }, plain];
  }
  return [plain];
}

export function gradientFold(sources: FoldSources): GradientFold {
  return foldWays()[0].make(sources);
}
