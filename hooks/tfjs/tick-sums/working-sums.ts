import type * as tf from '@tensorflow/tfjs';
import { type Way, WorkingWay } from '../compute/working-way.js';
import type { SumSources, TickSums } from './tick-sums.js';

/** By the fastest of some ways that works here. Each group of references may be compiled for itself: any call may go on to the next. */
export class WorkingSums implements TickSums {
  readonly #way: WorkingWay<SumSources, TickSums>;

  constructor(ways: readonly Way<SumSources, TickSums>[], sources: SumSources) {
    this.#way = new WorkingWay('ticks', ways, sources);
  }

  measure(c: number, dense: (tensor: number) => tf.Tensor, watched: readonly number[]): tf.Tensor1D {
    return this.#way.attempt((sums) => sums.measure(c, dense, watched));
  }

  dispose(): void {
    this.#way.worker.dispose();
  }
}
