import * as tf from '@tensorflow/tfjs';

/** Calls a function of the user's, and remembers what it keeps. */
export type Watch = <Result extends tf.Tensor>(compute: () => Result) => Result;

/**
 * Runs an evaluation of the live model that is not the training's own. What functions called through `watch` have kept
 * is disposed afterwards (fit's loss keeps a scalar a metric), and what a forward pass has updated (BatchNorm) is
 * restored, bit by bit.
 */
export function leaveNoTrace<Result>(
  nonTrainable: readonly tf.Variable[],
  body: (watch: Watch) => Result,
): Result {
  const kept: tf.Tensor[] = [];
  const watch: Watch = (compute) => {
    // Tensors that tf.keep saves from their scope are still listed in it; a tape's own are gone after the
    // gradients are made, and what is left then is the function's.
    const scope = tf.engine().state.activeScope;
    const before = scope.track.length;
    const result = compute();
    kept.push(...scope.track.slice(before).filter((tensor) => tensor.kept && tensor !== result));
    return result;
  };
  const saved = nonTrainable.map((variable) => tf.keep(variable.clone()));
  try {
    return body(watch);
  } finally {
    nonTrainable.forEach((variable, index) => {
      variable.assign(saved[index]);
      saved[index].dispose();
    });
    tf.dispose(kept.filter((tensor) => !tensor.isDisposed));
  }
}
