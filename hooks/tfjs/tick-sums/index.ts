import { computeBackend } from '../compute/compute-program.js';
import { PlainSums } from './plain-sums.js';
import type { SumSources, TickSums } from './tick-sums.js';
import { WebgpuSums } from './webgpu-sums.js';

export * from './tick-sums.js';

/** A way of taking the sums, by its name. */
export interface SumsWay {
  readonly name: string;
  make(sources: SumSources): TickSums;
}

/** The ways that the active backend has: the fastest first, the plain one last. */
export function sumsWays(): readonly SumsWay[] {
  const plain = { name: 'plain', make: (sources: SumSources) => new PlainSums(sources) };
  const compute = computeBackend();
  if (compute) {
    return [{ name: 'kernels', make: (sources) => new WebgpuSums(compute, sources) }, plain];
  }
  return [plain];
}

export function tickSums(sources: SumSources): TickSums {
  return sumsWays()[0].make(sources);
}
