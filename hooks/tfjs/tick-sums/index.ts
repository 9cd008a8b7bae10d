import * as tf from '@tensorflow/tfjs';
import { computeBackend } from '../compute/compute-program.js';
import { CompiledSums, isOnGpu, whyNotCompiled } from './compiled-sums.js';
import { PlainSums } from './plain-sums.js';
import type { SumSources, TickSums } from './tick-sums.js';
import { WebgpuSums } from './webgpu-sums.js';

export * from './tick-sums.js';

/** A way of taking the sums, by its name. */
export interface SumsWay {
  readonly name: string;
  make(sources: SumSources): TickSums;
}

/** The ways that the active backend has: the fastest first. */
export function sumsWays(): readonly SumsWay[] {
  const plain: SumsWay = { name: 'plain', make: (sources) => new PlainSums(sources) };
  const compute = computeBackend();
  if (compute) {
    return [{ name: 'kernels', make: (sources) => new WebgpuSums(compute, sources) }, plain];
  }
  if (tf.getBackend() === 'tensorflow' && whyNotCompiled() === null) {
    const compiled: SumsWay = { name: 'compiled', make: (sources) => new CompiledSums(sources) };
    return isOnGpu() ? [compiled, plain] : [plain, compiled];
  }
  return [plain];
}

/** By the fastest way. On a GPU of tensorflow that can not compile functions a warning of the process says why it is not. */
export function tickSums(sources: SumSources): TickSums {
  if (tf.getBackend() === 'tensorflow') {
    if (!isOnGpu()) {
      return new PlainSums(sources);
    }
    const reason = whyNotCompiled();
    if (reason !== null) {
      process.emitWarning(
        `ticks take their sums by single operations, which is slower: libtensorflow does not compile functions here: ${reason}; \`mergeguard backend install tensorflow\` builds a binding that does, XLA may want ptxas (PyPI: nvidia-cuda-nvcc-cu12)`,
        'MergeguardDeviceWarning',
      );
    }
  }
  return sumsWays()[0].make(sources);
}
