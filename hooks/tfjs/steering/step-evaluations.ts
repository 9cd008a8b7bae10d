import * as tf from '@tensorflow/tfjs';
import type { LossGradients } from '../../../src/steering/index.js';
import { leaveNoTrace, Snapshot, watchInto } from '../leave-no-trace.js';
import { SameDraws } from './same-draws.js';

/** One call of `computeGradients`, as it comes to the terms. */
export interface ComputeCall {
  /** the user's loss */
  readonly loss: () => tf.Scalar;
  /** the same for the training's own evaluation, where it is also looked at what goes in */
  readonly ownLoss: () => tf.Scalar;
  /** evaluates a loss where the weights are */
  readonly evaluate: (loss: () => tf.Scalar) => LossGradients;
}

export interface EvaluationOptions {
  /** variables that a forward pass may update (BatchNorm) */
  readonly nonTrainable: readonly tf.Variable[];
  /**
   * `LayersModel.fit` logs the metrics of whichever evaluation came first; a loop of one's own keeps what the last
   * one left
   */
  readonly plainFirst: boolean;
}

/**
 * The evaluations of the loss on one step. They draw the same random numbers, and leave what one of them would: what the
 * loss function has kept once, what a forward pass updates (BatchNorm) from the training's own evaluation.
 */
export class StepEvaluations {
  readonly #call: ComputeCall;
  readonly #options: EvaluationOptions;
  readonly #draws = new SameDraws();
  /** by evaluation of the user's loss */
  readonly #kept: tf.Tensor[][] = [];
  /** what the training's own evaluation took, the last where there were two */
  ownMs = 0;

  constructor(call: ComputeCall, options: EvaluationOptions) {
    this.#call = call;
    this.#options = options;
  }

  /** The training's own. */
  own(): LossGradients {
    const start = performance.now();
    const gradients = this.#call.evaluate(this.#watched(this.#call.ownLoss));
    this.ownMs = performance.now() - start;
    return gradients;
  }

  /** One more, of another loss where one is given. */
  apart(loss?: () => tf.Scalar): LossGradients {
    const { nonTrainable } = this.#options;
    if (loss) {
      return leaveNoTrace(nonTrainable, (watch) => this.#call.evaluate(() => watch(loss)));
    }
    return restoring(nonTrainable, () => this.#call.evaluate(this.#watched(this.#call.loss)));
  }

  /** The value alone once more, kept. */
  value(): tf.Scalar {
    return restoring(this.#options.nonTrainable, () =>
      tf.tidy(() => tf.keep(this.#watched(this.#call.loss)().clone())),
    );
  }

  #watched(loss: () => tf.Scalar): () => tf.Scalar {
    const kept: tf.Tensor[] = [];
    this.#kept.push(kept);
    const watch = watchInto(kept);
    return () => this.#draws.run(() => watch(loss));
  }

  /** No more of them: disposes what all but one have kept, and would each keep. What only one made (a constant for later) stays. */
  end(): void {
    const kept = this.#kept.map((tensors) => tensors.filter(({ isDisposed }) => !isDisposed));
    const left = (this.#options.plainFirst ? kept.shift() : kept.pop()) ?? [];
    for (const tensors of kept) {
      tf.dispose(tensors.slice(Math.max(0, tensors.length - left.length)));
    }
  }
}

function restoring<Result>(variables: readonly tf.Variable[], body: () => Result): Result {
  const before = new Snapshot(variables);
  try {
    return body();
  } finally {
    before.restore();
  }
}
