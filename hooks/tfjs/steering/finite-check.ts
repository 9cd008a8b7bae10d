import * as tf from '@tensorflow/tfjs';
import type { LossGradients } from '../../../src/steering/index.js';
import { disposeGradients, present } from './gradients.js';

/** Backends that can give one number without waiting for a device. */
const IMMEDIATE: readonly string[] = ['wasm', 'cpu', 'tensorflow'];
/** Checks between two readings of the count, where the device keeps it. */
const COUNTED = 20;

/** What becomes of gradients at moved weights that are not finite. */
export interface FiniteCheck {
  /** The gradients where they are finite; null where they are not, and then they are disposed. */
  pass(gradients: LossGradients): LossGradients | null;
  /** No more come: resolves when all that were not finite are told. */
  settle(): Promise<void>;
  dispose(): void;
}

/**
 * Where the backend gives a number at once, the sum of squares of all gradients is read. Elsewhere (webgpu, webgl) reading
 * would keep every step waiting, and the device puts zeros in the place of gradients that are not finite: a term adds
 * nothing then, and a step in place trains with zero gradients.
 * @param broken is told how many more were not finite, later where the device counts them
 */
export function finiteCheck(broken: (count: number) => void, backend = tf.getBackend()): FiniteCheck {
  return IMMEDIATE.includes(backend) ? new ReadCheck(broken) : new MaskCheck(broken);
}

class ReadCheck implements FiniteCheck {
  readonly #broken: (count: number) => void;

  constructor(broken: (count: number) => void) {
    this.#broken = broken;
  }

  pass(gradients: LossGradients): LossGradients | null {
    const sum = sumOfSquares(gradients.grads);
    const allFinite = Number.isFinite(sum.dataSync()[0]);
    sum.dispose();
    if (allFinite) {
      return gradients;
    }
    disposeGradients(gradients);
    this.#broken(1);
    return null;
  }

  async settle(): Promise<void> {}

  dispose(): void {}
}

class MaskCheck implements FiniteCheck {
  readonly #broken: (count: number) => void;
  #count = tf.keep(tf.scalar(0));
  #checks = 0;
  /** of these checks the count has been read */
  #read = 0;
  #told = 0;

  constructor(broken: (count: number) => void) {
    this.#broken = broken;
  }

  pass({ value, grads }: LossGradients): LossGradients {
    const { masked, count } = tf.tidy(() => {
      const masked: tf.NamedTensorMap = {};
      const finite = tf.isFinite(sumOfSquares(grads));
      for (const [name, gradient] of Object.entries(grads)) {
        if (gradient != null) {
          // Times zero would not do: NaN times 0 is NaN.
          masked[name] = tf.where(finite, gradient, tf.zerosLike(gradient));
        }
      }
      const count = tf.add(this.#count, tf.sub(1, tf.cast(finite, 'float32'))) as tf.Scalar;
      // The gradients are whoever's scope this runs in; only the count is ours.
      return { masked, count: tf.keep(count) };
    });
    tf.dispose([this.#count, ...present(grads)]);
    this.#count = count;
    this.#checks += 1;
    if (this.#checks % COUNTED === 0) {
      this.settle();
    }
    return { value, grads: masked };
  }

  async settle(): Promise<void> {
    // A device that is lost is the training's to tell.
    await this.#tell().catch(() => {});
  }

  async #tell(): Promise<void> {
    if (this.#read === this.#checks) {
      return;
    }
    this.#read = this.#checks;
    const count = tf.keep(this.#count.clone());
    const [total] = await count.data();
    count.dispose();
    if (total > this.#told) {
      this.#broken(total - this.#told);
      this.#told = total;
    }
  }

  dispose(): void {
    this.#count.dispose();
  }
}

function sumOfSquares(grads: tf.NamedTensorMap): tf.Scalar {
  const all = present(grads);
  return tf.tidy(() =>
    all.length === 0
      ? tf.scalar(0)
      : (tf.addN(all.map((gradient) => tf.sum(tf.square(gradient)))) as tf.Scalar),
  );
}
