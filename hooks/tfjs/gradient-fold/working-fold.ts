import type * as tf from '@tensorflow/tfjs';
import { type Way, WorkingWay } from '../compute/working-way.js';
import type { FoldSources, GradientFold, Gradients } from './gradient-fold.js';

/** By the fastest of some ways that works here: the first that does stays, since the sums are its own. */
export class WorkingFold implements GradientFold {
  readonly #way: WorkingWay<FoldSources, GradientFold>;
  #works = false;

  constructor(ways: readonly Way<FoldSources, GradientFold>[], sources: FoldSources) {
    this.#way = new WorkingWay('folds of gradients', ways, sources);
  }

  fold(gradients: Gradients, step: number): void {
    this.#run((fold) => fold.fold(gradients, step));
  }

  rehearse(): void {
    this.#run((fold) => fold.rehearse());
  }

  #run(body: (fold: GradientFold) => void): void {
    if (this.#works) {
      body(this.#way.worker);
    } else {
      this.#way.attempt(body);
      this.#works = true;
    }
  }

  sums(chunk: number): tf.Tensor1D {
    return this.#way.worker.sums(chunk);
  }

  get remaining(): tf.Tensor {
    return this.#way.worker.remaining;
  }

  counters(): tf.Tensor1D {
    return this.#way.worker.counters();
  }

  dispose(): void {
    this.#way.worker.dispose();
  }
}
