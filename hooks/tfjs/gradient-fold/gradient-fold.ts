import type * as tf from '@tensorflow/tfjs';
import type { FlatLayout } from '../flat-layout.js';

/** A step's gradients, by variable name; one that is missing counts as zero. */
export type Gradients = Readonly<Record<string, tf.Tensor | null | undefined>>;

/** What a fold is of. */
export interface FoldSources {
  readonly layout: FlatLayout;
  /** in [0, 1) */
  readonly decay: number;
}

/**
 * The running sums of an exponential moving average of gradients, on the device in float32: sum = decay * sum + (1 - decay) *
 * gradient. Where anything in a step's gradients is not finite, nothing of that step is folded; how many such steps there were
 * is counted on the device too, so that folding never waits for a read. Ways of folding differ in what they move through the
 * device's memory and in how many operations they are; the floor is 12 D bytes for D parameters: gradient and sum read, sum written.
 */
export interface GradientFold {
  /** Folds the gradients of a step, which stay the caller's. @throws what the backend throws, and then nothing is folded */
  fold(gradients: Gradients, step: number): void;
  /** Does what a fold does, of the variables' values, and leaves everything as it was: to see what it costs. */
  rehearse(): void;
  /**
   * The running sum of a chunk, of its length, for operations: a fold may change it in place, and tfjs gives a tensor's values
   * as they were when they were first read. Not to be disposed, nor kept over a fold.
   */
  sums(chunk: number): tf.Tensor1D;
  /** Its first element is decay^folds; for operations too. Not to be disposed, nor kept over a fold. */
  readonly remaining: tf.Tensor;
  /** [3], the caller's: decay^folds (1: nothing folded yet), steps left out because something was not finite, the last step folded. */
  counters(): tf.Tensor1D;
  dispose(): void;
}
