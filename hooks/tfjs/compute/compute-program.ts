import * as tf from '@tensorflow/tfjs';

/** What tfjs' webgpu backend has beside KernelBackend, of its 4.22: the queue that all its kernels go through. */
export interface ComputeBackend extends tf.KernelBackend {
  readonly device: GPUDevice;
  /** the pool that buffers of tensors come from, of `openBackend` one that throws where the device has no room */
  readonly bufferManager: {
    acquireBuffer(size: number, usage: number): GPUBuffer;
    releaseBuffer(buffer: GPUBuffer, reuse: boolean): void;
  };
  readonly tensorMap: { get(dataId: tf.DataId): { readonly resource: GPUBuffer } };
  /** data that may be given back only when what is recorded has been submitted */
  readonly commandQueueOwnedIds: WeakSet<tf.DataId>;
  /** null: nothing is recorded */
  readonly commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  uploadToGPU(dataId: tf.DataId): void;
  makeTensorInfo(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  /** of a backend that `openBackend` has opened: why there is no device any more */
  readonly loss?: Error | null;
}

/** Null where another backend is active. */
export function computeBackend(): ComputeBackend | null {
  return tf.getBackend() === 'webgpu' ? (tf.backend() as unknown as ComputeBackend) : null;
}

/** Hands what is recorded over to the device, where webgpu is active: a submission with something invalid in it is left undone as a whole. */
export function submitPending(backend: ComputeBackend | null = computeBackend()): void {
  if (backend !== null && backend.commandEncoder !== null) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
}

/** A tensor on the device, or a buffer of one's own. */
export type Binding = tf.TensorInfo | GPUBuffer;

/** Buffers come from a pool, so that a few sets of them come again and again. */
const MOST_BIND_GROUPS = 512;
const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();
const numbers = new WeakMap<GPUBuffer, number>();
let numbered = 0;

/**
 * A WGSL kernel `main` whose buffers are all in group 0. It is recorded where tfjs records its own kernels, so that it runs after
 * those that came before. tfjs' `runWebGPUProgram` would make a buffer of uniforms and a bind group on every call, which costs
 * more than the kernels here take on a GPU; bind groups are kept here, and what is uniform lies in buffers made once.
 */
export class ComputeProgram {
  readonly #backend: ComputeBackend;
  readonly #pipeline: GPUComputePipeline;
  readonly #bindGroups = new Map<string, GPUBindGroup>();

  constructor(backend: ComputeBackend, label: string, code: string) {
    this.#backend = backend;
    this.#pipeline = pipelineOf(backend.device, label, code);
  }

  /**
   * @param bindings in the order of their numbers
   * @param groups workgroups in x and y, at most 65,535 each
   * @throws the backend's error where the device is lost or has no room for a buffer; nothing is recorded then
   */
  run(bindings: readonly Binding[], groups: readonly [number, number]): void {
    this.prepare(bindings, groups)();
  }

  /**
   * Does all of `run` that can fail, and returns what records it, once; until then the bindings have to stay.
   * @throws as `run` does
   */
  prepare(bindings: readonly Binding[], groups: readonly [number, number]): () => void {
    const backend = this.#backend;
    if (backend.loss) {
      throw backend.loss;
    }
    const buffers = bindings.map((binding) => bufferOf(backend, binding));
    const bindGroup = this.#bindGroup(buffers);
    return () => {
      for (const binding of bindings) {
        if ('dataId' in binding) {
          backend.commandQueueOwnedIds.add(binding.dataId);
        }
      }
      backend.ensureCommandEncoderReady();
      backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass();
      backend.computePassEncoder.setPipeline(this.#pipeline);
      backend.computePassEncoder.setBindGroup(0, bindGroup);
      backend.computePassEncoder.dispatchWorkgroups(...groups);
      backend.dispatchCountInPass += 1;
      if (backend.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
        submitPending(backend);
      }
    };
  }

  #bindGroup(buffers: readonly GPUBuffer[]): GPUBindGroup {
    const key = buffers.map(numberOf).join();
    const known = this.#bindGroups.get(key);
    if (known) {
      return known;
    }
    if (this.#bindGroups.size >= MOST_BIND_GROUPS) {
      this.#bindGroups.clear();
    }
    const made = this.#backend.device.createBindGroup({
      layout: this.#pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    this.#bindGroups.set(key, made);
    return made;
  }
}

function pipelineOf(device: GPUDevice, label: string, code: string): GPUComputePipeline {
  let known = pipelines.get(device);
  if (!known) {
    known = new Map();
    pipelines.set(device, known);
  }
  let pipeline = known.get(code);
  if (!pipeline) {
    const module = device.createShaderModule({ label, code });
    pipeline = device.createComputePipeline({ label, layout: 'auto', compute: { module } });
    known.set(code, pipeline);
  }
  return pipeline;
}

function bufferOf(backend: ComputeBackend, binding: Binding): GPUBuffer {
  if (!('dataId' in binding)) {
    return binding;
  }
  backend.uploadToGPU(binding.dataId);
  return backend.tensorMap.get(binding.dataId).resource;
}

function numberOf(buffer: GPUBuffer): number {
  let number = numbers.get(buffer);
  if (number === undefined) {
    numbered += 1;
    number = numbered;
    numbers.set(buffer, number);
  }
  return number;
}

/** Small numbers that kernels share, for `var<uniform>`; the caller's to give back with `releaseUniforms`. */
export function uniformBuffer(backend: ComputeBackend, values: Uint32Array<ArrayBuffer>): GPUBuffer {
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = backend.bufferManager.acquireBuffer(values.byteLength, usage);
  backend.device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

/** What is recorded may need them: it is handed over first. */
export function releaseUniforms(backend: ComputeBackend, buffers: readonly GPUBuffer[]): void {
  submitPending(backend);
  for (const buffer of buffers) {
    backend.bufferManager.releaseBuffer(buffer, false);
  }
}
