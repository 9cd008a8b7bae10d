import { type ConfiguredMerge, MergePool, type Survey, type TensorToMerge } from '../../merging/index.js';

/** How the task vectors of a tensor become one. */
export interface MergeRule {
  /** whether a tensor may come in stretches */
  readonly isDivisible: boolean;
  readonly needsBase: boolean;
  /** arrays as long as the tensor that are held while it is merged, beside what is read */
  readonly workspace: number;
  /** bytes of weights in memory at a time, unless one tensor that must be whole takes more */
  readonly memory: number;
  readonly survey: Survey<unknown> | null;
  /** factor on what `merge` gives */
  readonly scale: number;
  /** The arrays may be taken: they are not used afterwards. */
  merge(tensor: TensorToMerge, known: unknown): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Enough to read while others are worked on; the fewer there are, the more of them the processor's caches hold. */
const FEW = 32 << 20;
/** A matrix of ViT-B/16's largest, of two models, with its decomposition. */
const EACH_THREAD = 144 << 20;

/** One model alone: base + scale * its task vector. */
export function singleModel(scale: number): MergeRule {
  return {
    isDivisible: true,
    needsBase: false,
    workspace: 0,
    memory: FEW,
    survey: null,
    scale,
    merge: async ({ taus }) => taus[0]!,
    close: async () => undefined,
  };
}

/** Decompositions hold a tensor of every model several times over, in float64. */
const DECOMPOSING = 12;

/**
 * A merge method. What decomposes matrices is done in threads.
 * @param signal once it is aborted, nothing is waited for
 */
export function methodRule(
  configured: ConfiguredMerge,
  threads: number,
  signal: AbortSignal | undefined,
): MergeRule {
  const { method, parameters } = configured;
  const rule = {
    isDivisible: method.elementwise(parameters),
    needsBase: method.needsBase,
    survey: method.survey(parameters),
    scale: 1,
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
