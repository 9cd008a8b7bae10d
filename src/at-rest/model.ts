import type { SpectralParts } from '../spectral/index.js';
import type { Shapes, ValueRange } from '../tensors/index.js';
import type { Excluded, Values } from './named-checkpoint.js';

/** A task vector that is the product left right, [out, r] and [r, in]. */
export interface LowRank {
  readonly rank: number;
  readonly left: Values;
  readonly right: Values;
}

/** A model at rest: a fine-tuned checkpoint, a LoRA adapter or a reference file. It says its task vector, tensor by tensor. */
export interface ModelAtRest {
  /** for people: the stem of its file */
  readonly name: string;
  readonly path: string;
  readonly kind: 'checkpoint' | 'adapter' | 'reference';
  /** what a fingerprint may know it by: a reference's own name, else `name` */
  readonly task: string;
  /** tensors that can be shared, canonical names */
  readonly shapes: Shapes;
  readonly excluded: readonly Excluded[];
  /** identity of the base that it was made from, over its own tensors; null where it does not say */
  readonly baseHash: string | null;
  /** `zero`: the tensor is as it is in the base, by the way the model is stored */
  form(name: string): 'dense' | 'low-rank' | 'zero';
  /**
   * Task vector of a `dense` tensor, or a stretch of it, in a fresh array.
   * @param base gives the base's values of the same stretch
   */
  tau(name: string, range: ValueRange | undefined, base: () => Promise<Values>): Promise<Values>;
  /**
   * What a `dense` tensor is stored as, or a stretch of it, in a fresh array, where that is the model's own weights: base + tau. Null
   * where it is stored as a task vector.
   */
  weights(name: string, range?: ValueRange): Promise<Values> | null;
  /** Factors of a `low-rank` tensor. */
  factors(name: string): Promise<LowRank>;
  /** What is stored of a matrix' decomposition; undefined where it must be computed, null for a matrix of zeros. */
  storedParts(name: string): Promise<SpectralParts | null | undefined>;
  close(): Promise<void>;
}
