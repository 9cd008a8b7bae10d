import { z } from 'zod';
import type { HostTensor, NamedTensors } from '../tensors/index.js';

/** How a stored gradient was made; gradients of different recipes do not compare. */
export const gradientRecipeSchema = z.strictObject({
  /** `ema`: moving average over training steps; `calibration`: mean over a calibration batch of the finished model */
  kind: z.enum(['ema', 'calibration']),
  /** samples in one gradient evaluation, null if not known */
  batch: z.number().int().positive().nullable(),
  /** how the loss is reduced over the batch */
  reduction: z.enum(['mean', 'sum']),
  /** gradients were clipped before they were seen */
  clipped: z.boolean(),
  /** micro-batches accumulated into one gradient */
  accumulated: z.number().int().positive(),
  /** factor still multiplied into the gradient (mixed precision); 1 where none */
  lossScale: z.number().positive(),
});
export type ReferenceGradientRecipe = z.infer<typeof gradientRecipeSchema>;

/** What a reference says about itself beside its values; stored as JSON in the file's metadata. */
export const descriptionSchema = z.strictObject({
  name: z.string().min(1),
  /** `baseIdentity` of the base it was fine-tuned from, shared tensors only */
  baseHash: z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex'),
  /** canonical names and shapes of the T shared tensors, matrices as [out, in] */
  tensors: z
    .array(z.strictObject({ name: z.string().min(1), shape: z.array(z.number().int().nonnegative()) }))
    .min(1, 'a reference needs at least one shared tensor'),
  gradientRecipe: gradientRecipeSchema.nullable(),
  /** accuracy (fraction, 0..1) and mean loss of the fine-tuned model on its own calibration samples */
  accuracy: z.number().min(0).max(1).nullable(),
  loss: z.number().nullable(),
  /** canonical name -> the tensor's name in the framework, where it was another */
  tensorMap: z.record(z.string(), z.string()),
  /** provenance: anything that says how it was made */
  madeBy: z
    .record(z.string(), z.unknown())
    .refine((value) => z.json().safeParse(value).success, 'holds a value that JSON can not'),
});

export type Description = z.infer<typeof descriptionSchema>;

/** A matrix [out, in] as a product of two thin ones. */
export interface Factors {
  /** [out, r] */
  readonly left: HostTensor;
  /** [r, in] */
  readonly right: HostTensor;
}

/** Leading singular subspaces of a task matrix [out, in]. */
export interface Subspace {
  /** dimensions kept, at most the numerical rank */
  readonly k: number;
  /** [out, k], orthonormal columns, largest singular value first */
  readonly left: HostTensor;
  /** [in, k] */
  readonly right: HostTensor;
}

export interface Calibration {
  /** [N, ...] model inputs, as the model takes them */
  readonly images: HostTensor;
  /** [N] class indices */
  readonly labels: Int32Array;
}

/** What is kept of a reference model: made once, stored as one safetensors file. */
export interface Reference extends Description {
  /** task vector, fine-tuned minus base, of the tensors that have one; see `factors` */
  readonly tau: NamedTensors;
  /**
   * task vectors of low rank (LoRA), by name, as the product left right of [out, r] and [r, in]. A tensor of `tensors` that is in
   * neither `tau` nor `factors` was left as it is in the base.
   */
  readonly factors: ReadonlyMap<string, Factors>;
  /** [T] ‖tau‖² per tensor, in the order of `tensors`, of tau before any rounding to float16 */
  readonly norms: Float64Array;
  /** by name, matrices only; a matrix whose tau is zero has none */
  readonly subspaces: ReadonlyMap<string, Subspace>;
  /** by name, for the same matrices: the largest singular values of tau (at most 100), descending */
  readonly spectra: ReadonlyMap<string, Float64Array>;
  /**
   * by name: the last min(k, out, in) right singular vectors of tau, [in, k]; only for matrices whose tau has full
   * rank, since which vectors come last is arbitrary in the others
   */
  readonly bottoms: ReadonlyMap<string, HostTensor>;
  /** mean loss gradient by name, for all or some of `tensors`; null where none is stored */
  readonly gradient: NamedTensors | null;
  /** the task's own head; null where none is stored */
  readonly head: NamedTensors | null;
  /** held-out samples of the reference's task; null where none are stored */
  readonly calibration: Calibration | null;
  /**
   * [n, ...inputs] loss gradient of every one of the first n calibration samples with respect to the model's inputs, by the
   * fine-tuned model with its own head; null where none is stored
   */
  readonly inputGradient: HostTensor | null;
}

export function descriptionOf(reference: Reference): Description {
  const { name, baseHash, tensors, gradientRecipe, accuracy, loss, tensorMap, madeBy } = reference;
  return { name, baseHash, tensors, gradientRecipe, accuracy, loss, tensorMap, madeBy };
}
