import { ThreadPool } from '../threads/index.js';
import type { TensorToMerge } from './merge-method.js';
import type { MergeJob } from './merge-worker.js';
import type { ConfiguredMerge } from './registry.js';

/** Merges tensors in worker threads, any method. `close` when done. */
export class MergePool {
  readonly #threads: ThreadPool<MergeJob, Float32Array>;

  constructor({ threads }: { readonly threads: number }) {
    const module = new URL('./merge-worker', import.meta.url).href;
    this.#threads = new ThreadPool({ module, threads });
  }

  /**
   * The merged task vector of one tensor, as `mergeTensor` of the method gives it.
   * @param known what the method's survey has found, or null where it has none
   * @param transfer moves arrays that fill their buffer to the thread in place of copying them: they are gone here afterwards
   * @throws MergeguardError beginning with the tensor's name when it fails
   */
  mergeTensor(
    { id }: ConfiguredMerge,
    tensor: TensorToMerge,
    known: unknown,
    { transfer = false }: { readonly transfer?: boolean } = {},
  ): Promise<Float32Array> {
    const { name, shape } = tensor;
    const taus = tensor.taus.map(ownPart);
    const base = tensor.base === null ? null : ownPart(tensor.base);
    const job = { id, tensor: { name, shape, taus, base }, known };
    const moved = transfer ? buffersOf([...taus, ...(base === null ? [] : [base])]) : [];
    return this.#threads.run(job, { label: name, transfer: moved });
  }

  /** Milliseconds that the threads have worked so far, all together. */
  get busyMs(): number {
    return this.#threads.busyMs;
  }

  close(): Promise<void> {
    return this.#threads.close();
  }
}

/** Of a view, its values alone: it would take its whole buffer along, which may be a checkpoint. */
function ownPart(values: Float32Array): Float32Array {
  return values.byteLength === values.buffer.byteLength ? values : values.slice();
}

/** Each once, however many of the arrays it holds: a model may be merged with itself. */
function buffersOf(arrays: readonly Float32Array[]): ArrayBuffer[] {
  return [...new Set(arrays.map(({ buffer }) => buffer))].filter((buffer) => buffer instanceof ArrayBuffer);
}
