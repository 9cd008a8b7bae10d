import * as tf from '@tensorflow/tfjs';
import { computeBackend } from '../compute/compute-program.js';
import { functionWays, isOnGpu, whyNoFunctions } from '../compute/functions.js';
import type { Way } from '../compute/working-way.js';
import { FunctionSums } from './function-sums.js';
import { PlainSums } from './plain-sums.js';
import type { SumSources, TickSums } from './tick-sums.js';
import { WebgpuSums } from './webgpu-sums.js';
import { WorkingSums } from './working-sums.js';

export * from './tick-sums.js';

export type SumsWay = Way<SumSources, TickSums>;

/** The ways that the active backend has: the fastest first. */
export function sumsWays(): readonly SumsWay[] {
  const plain: SumsWay = { name: 'plain', make: (sources) => new PlainSums(sources) };
  const compute = computeBackend();
  if (compute) {
    return [{ name: 'kernels', make: (sources) => new WebgpuSums(compute, sources) }, plain];
  }
  const functions = functionWays().map(
    ({ name, isCompiled }): SumsWay => ({ name, make: (sources) => new FunctionSums(sources, isCompiled) }),
  );
  return [...functions, plain];
}

/** By the fastest way that works. On a GPU of tensorflow where functions are not compiled, a warning of the process says why. */
export function tickSums(sources: SumSources): TickSums {
  const ways = sumsWays();
  if (tf.getBackend() === 'tensorflow' && isOnGpu() && ways[0].name !== 'compiled') {
    const reason = whyNoFunctions(false) ?? whyNoFunctions(true);
    process.emitWarning(
      `ticks are slower than they could be, since libtensorflow compiles no functions here: ${reason}; \`mergeguard backend install tensorflow\` builds a binding that defines them, and XLA may want ptxas of CUDA on the PATH (PyPI: nvidia-cuda-nvcc-cu12)`,
      'MergeguardDeviceWarning',
    );
  }
  return new WorkingSums(ways, sources);
}
