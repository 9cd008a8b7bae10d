import * as tf from '@tensorflow/tfjs';

/** What tfjs' webgpu backend has beside KernelBackend, of its 4.22: the queue that all its kernels go through. */
export interface ComputeBackend extends tf.KernelBackend {
  readonly device: GPUDevice;
  readonly tensorMap: { get(dataId: tf.DataId): { readonly resource: GPUBuffer } };
  /** data that may be given back only when what is recorded has been submitted */
  readonly commandQueueOwnedIds: WeakSet<tf.DataId>;
  readonly commandEncoder: GPUCommandEncoder;
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
   * @throws the backend's error where the device is lost
   */
  run(bindings: readonly Binding[], groups: readonly [number, number]): void {
    const backend = this.#backend;
    if (backend.loss) {
      throw backend.loss;
    }
    const buffers = bindings.map((binding) => bufferOf(backend, binding));
    const bindGroup = this.#bindGroup(buffers);
    backend.ensureCommandEncoderReady();
    backend.computePassEncoder ??= backend.commandEncoder.beginComputePass();
    backend.computePassEncoder.setPipeline(this.#pipeline);
    backend.computePassEncoder.setBindGroup(0, bindGroup);
    backend.computePassEncoder.dispatchWorkgroups(...groups);
    backend.dispatchCountInPass += 1;
    if (backend.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
      backend.endComputePassEncoder();
      backend.submitQueue();
    }
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
  backend.commandQueueOwnedIds.add(binding.dataId);
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

/** Small numbers that never change, for `var<uniform>`; the caller's to destroy. */
export function uniformBuffer({ device }: ComputeBackend, values: Uint32Array<ArrayBuffer>): GPUBuffer {
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: values.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}
