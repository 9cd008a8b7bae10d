import {
  type Combination,
  type ConfiguredMerge,
  MergePool,
  type Survey,
  type TensorToMerge,
} from '../../merging/index.js';

/** How the models' tensors become one. */
export type MergeRule = SumRule | MethodRule;

interface AnyRule {
  /** whether a tensor may come in stretches */
  readonly isDivisible: boolean;
  /** arrays as long as the tensor that are held while it is merged, beside what is read */
  readonly workspace: number;
  /** bytes of weights in memory at a time, unless one tensor that must be whole takes more */
  readonly memory: number;
  readonly survey: Survey<unknown> | null;
  /** factor on the merged task vector */
  readonly scale: number;
  close(): Promise<void>;
}

/** base + scale * combination of the task vectors: done in one go over the values, as they lie in the files. */
export interface SumRule extends AnyRule {
  readonly combination: Combination;
}

/** base + scale * what a method makes of the task vectors. */
export interface MethodRule extends AnyRule {
  readonly needsBase: boolean;
  /** The arrays may be taken: they are not used afterwards. */
  merge(tensor: TensorToMerge, known: unknown): Promise<Float32Array>;
}

/** Enough to read while others are worked on; the fewer there are, the more of them the processor's caches hold. */
const FEW = 32 << 20;
/** A matrix of ViT-B/16's largest, of two models, with its decomposition. */
const EACH_THREAD = 144 << 20;

export function sumRule(combination: Combination, scale: number): SumRule {
  return {
    isDivisible: true,
    workspace: 0,
    memory: FEW,
    survey: null,
    combination,
    scale,
    close: async () => undefined,
  };
}

export interface MethodRuleOptions {
  readonly threads: number;
  /** factor on the merged task vector */
  readonly scale: number;
  /** once it is aborted, nothing is waited for */
  readonly signal: AbortSignal | undefined;
}

/** Decompositions hold a tensor of every model several times over, in float64. */
const DECOMPOSING = 12;

/**
 * A merge method. What decomposes matrices is done in threads.
 * @param count of the models
 */
export function methodRule(
  configured: ConfiguredMerge,
  count: number,
  { threads, scale, signal }: MethodRuleOptions,
): MergeRule {
  const { method, parameters } = configured;
  const combination = method.combination(parameters, count);
  if (combination !== null) {
    return sumRule(combination, scale);
  }
  const rule = {
    isDivisible: method.elementwise(parameters),
    needsBase: method.needsBase,
    survey: method.survey(parameters),
    scale,
  };
  if (!method.decomposes) {
    return {
      ...rule,
      workspace: 1,
      memory: FEW,
      merge: async (tensor, known) => method.mergeTensor(tensor, parameters, known),
      close: async () => undefined,
    };
  }
  const pool = new MergePool({ threads });
  const stop = () => void pool.close();
  signal?.addEventListener('abort', stop, { once: true });
  return {
    ...rule,
    workspace: DECOMPOSING,
    memory: threads * EACH_THREAD,
    merge: (tensor, known) => pool.mergeTensor(configured, tensor, known, { transfer: true }),
    close: () => {
      signal?.removeEventListener('abort', stop);
      return pool.close();
    },
  };
}
