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
  const before = new Snapshot(nonTrainable);
  try {
    return body(watchInto(kept));
  } catch (error) {
    dropTape();
    throw error;
  } finally {
    before.restore();
    tf.dispose(kept.filter((tensor) => !tensor.isDisposed));
  }
}

/** A watch that adds what functions keep to `kept`, and what a tape does, which is disposed when the gradients are taken. */
export function watchInto(kept: tf.Tensor[]): Watch {
  return (compute) => {
    // Tensors that tf.keep saves from their scope are still listed in it; a tape's own are gone after the
    // gradients are made, and what is left then is the function's.
    const scope = tf.engine().state.activeScope;
    const before = scope.track.length;
    const result = compute();
    kept.push(...scope.track.slice(before).filter((tensor) => tensor.kept && tensor !== result));
    return result;
  };
}

/**
 * Disposes what the tape of an evaluation that threw has saved for its gradients: tfjs does so only after it has made them. Does
 * nothing inside an outer tape.
 */
export function dropTape(): void {
  const { state } = tf.engine();
  if (state.gradientDepth === 0) {
    tf.dispose((state.activeTape ?? []).flatMap(({ saved }) => saved ?? []));
  }
}

/** What variables hold now, to be given back to them bit by bit: end it by `restore` or `dispose`. */
export class Snapshot {
  readonly #variables: readonly tf.Variable[];
  readonly #saved: readonly tf.Tensor[];

  constructor(variables: readonly tf.Variable[]) {
    this.#variables = variables;
    // Of all or of none, where the device has no room for them.
    this.#saved = tf.tidy(() => variables.map((variable) => variable.clone())).map((value) => tf.keep(value));
  }

  restore(): void {
    this.#variables.forEach((variable, index) => {
      variable.assign(this.#saved[index]);
    });
    this.dispose();
  }

  dispose(): void {
    tf.dispose([...this.#saved]);
  }
}
