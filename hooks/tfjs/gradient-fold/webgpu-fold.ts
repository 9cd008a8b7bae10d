import * as tf from '@tensorflow/tfjs';
import {
  type Binding,
  type ComputeBackend,
  ComputeProgram,
  releaseUniforms,
  submitPending,
  uniformBuffer,
} from '../compute/compute-program.js';
import { filled, GATHER_FIXED, type Gathering, gatherings } from '../compute/gather.js';
import { checkCode, countCode, FOLD_FLOATS, sumCode } from './fold-code.js';
import type { FoldSources, GradientFold, Gradients } from './gradient-fold.js';

/**
 * By kernels of one's own on webgpu, several tensors a dispatch: a first pass over the gradients sees whether all are finite, a
 * second one folds them into the sums in place, and the counters follow. Moved are 16 D bytes, the gradients twice since
 * all of them decide on each; nothing is allocated.
 */
export class WebgpuFold implements GradientFold {
  readonly #backend: ComputeBackend;
  readonly #sources: FoldSources;
  /** by chunk */
  readonly #gatherings: readonly (readonly Gathering[])[];
  readonly #sums: readonly tf.Tensor1D[];
  readonly #counters: tf.Tensor1D;
  /** [1] int32, 0 between folds */
  readonly #broken: tf.Tensor1D;
  /** [1], in place of a missing gradient: reads behind its end are of what is in it, so that all are 0 */
  readonly #nothing: tf.Tensor1D;
  readonly #uniform: GPUBuffer;
  readonly #slots: number;
  readonly #check: ComputeProgram;
  readonly #sum: ComputeProgram;
  readonly #count: ComputeProgram;

  constructor(backend: ComputeBackend, sources: FoldSources) {
    this.#backend = backend;
    this.#sources = sources;
    const { layout } = sources;
    // One more is for what the first pass has found.
    this.#slots = backend.device.limits.maxStorageBuffersPerShaderStage - GATHER_FIXED - 1;
    this.#gatherings = layout.chunks.map((chunk) => gatherings(layout, chunk, chunk.tensors, this.#slots));
    this.#sums = layout.chunks.map(({ length }) => tf.keep(tf.fill([length], 0)));
    this.#counters = tf.keep(tf.tensor1d([1, 0, -1]));
    this.#broken = tf.keep(tf.tensor1d([0], 'int32'));
    this.#nothing = tf.keep(tf.tensor1d([0]));
    this.#uniform = uniformBuffer(backend, new Uint32Array(FOLD_FLOATS));
    this.#check = new ComputeProgram(backend, 'gradients are finite', checkCode(this.#slots));
    this.#sum = new ComputeProgram(backend, 'running sums of gradients', sumCode(this.#slots));
    this.#count = new ComputeProgram(backend, 'counters of gradients', countCode());
  }

  fold(gradients: Gradients, step: number): void {
    const { decay } = this.#sources;
    this.#run(gradients, [decay, 1 - decay, step]);
  }

  rehearse(): void {
    const { tensors } = this.#sources.layout;
    this.#run(Object.fromEntries(tensors.map(({ variable }) => [variable.name, variable])), [1, 0, 0]);
  }

  #run(gradients: Gradients, [keep, weight, step]: readonly [number, number, number]): void {
    const backend = this.#backend;
    const { tensors } = this.#sources.layout;
    const slotsOf = (gathering: Gathering): Binding[] =>
      filled(
        gathering.tensors.map((t) => gradients[tensors[t].variable.name] ?? this.#nothing),
        this.#slots,
      );
    const prepared = this.#gatherings.flatMap((ofChunk, c) =>
      ofChunk.map((gathering) => {
        const { pieces } = gathering;
        const slots = slotsOf(gathering);
        const groups = [pieces.shape[0], 1] as const;
        return {
          check: this.#check.prepare([this.#broken, pieces, ...slots], groups),
          sum: this.#sum.prepare([this.#sums[c], pieces, ...slots, this.#broken, this.#uniform], groups),
        };
      }),
    );
    const count = this.#count.prepare([this.#counters, this.#broken, this.#uniform], [1, 1]);
    // What throws has thrown by now: from here on all of it is done.
    backend.device.queue.writeBuffer(this.#uniform, 0, new Float32Array([keep, weight, step]));
    for (const { check } of prepared) {
      check();
    }
    for (const { sum } of prepared) {
      sum();
    }
    count();
    // What is written next would otherwise be there before these kernels run.
    submitPending(backend);
  }

  sums(chunk: number): tf.Tensor1D {
    return this.#sums[chunk];
  }

  get remaining(): tf.Tensor {
    return this.#counters;
  }

  counters(): tf.Tensor1D {
    // A copy: a clone would change with the next fold.
    return tf.add(this.#counters, 0);
  }

  dispose(): void {
    const pieces = this.#gatherings.flat().map((gathering) => gathering.pieces);
    tf.dispose([...this.#sums, this.#counters, this.#broken, this.#nothing, ...pieces]);
    releaseUniforms(this.#backend, [this.#uniform]);
  }
}
