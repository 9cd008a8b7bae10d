import { MergeguardError } from '../../tensors/errors.js';

/**
 * The buffers of a webgpu backend, in the place of tfjs' BufferManager of 4.22. A device that has no memory for a buffer gives one that
 * can't be used: everything submitted with it is left undone, and tfjs would take it from its pool again and again. Here free
 * buffers are given back to the device then, and what still has no room throws, before anything is recorded.
 */
export class BufferPool {
  /** read by tf.memory() */
  numBytesUsed = 0;
  numBytesAllocated = 0;
  readonly #device: GPUDevice;
  readonly #submit: () => void;
  /** by size and usage */
  readonly #free = new Map<string, GPUBuffer[]>();
  readonly #used = new Set<GPUBuffer>();
  #isCreating = false;
  #refusal: string | null = null;

  /** `submit` hands over what is recorded, which may need buffers that are free by now. */
  constructor(device: GPUDevice, submit: () => void) {
    this.#device = device;
    this.#submit = submit;
  }

  /** @throws MergeguardError where the device has no memory for it */
  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const known = reuse ? this.#free.get(keyOf(size, usage))?.pop() : undefined;
    const buffer = known ?? this.#make({ size, usage, mappedAtCreation });
    this.#used.add(buffer);
    this.numBytesUsed += size;
    return buffer;
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    // After `dispose` nothing is known any more.
    if (!this.#used.delete(buffer)) {
      return;
    }
    const { size, usage } = buffer;
    this.numBytesUsed -= size;
    if (!reuse) {
      this.#destroy(buffer);
      return;
    }
    const key = keyOf(size, usage);
    const free = this.#free.get(key);
    if (free) {
      free.push(buffer);
    } else {
      this.#free.set(key, [buffer]);
    }
  }

  /** Whether an error of the device is a want of memory that `acquireBuffer` deals with; Dawn tells it while the buffer is made. */
  takes(error: GPUError): boolean {
    if (!this.#isCreating || !(error instanceof GPUOutOfMemoryError)) {
      return false;
    }
    this.#refusal = error.message;
    return true;
  }

  /** Gives the memory of free buffers back to the device. */
  releaseFree(): void {
    this.#submit();
    for (const buffers of this.#free.values()) {
      for (const buffer of buffers) {
        this.#destroy(buffer);
      }
    }
    this.#free.clear();
  }

  getNumUsedBuffers(): number {
    return this.#used.size;
  }

  getNumFreeBuffers(): number {
    return [...this.#free.values()].reduce((sum, buffers) => sum + buffers.length, 0);
  }

  dispose(): void {
    for (const buffer of [...this.#used, ...[...this.#free.values()].flat()]) {
      buffer.destroy();
    }
    this.#used.clear();
    this.#free.clear();
    this.numBytesUsed = 0;
    this.numBytesAllocated = 0;
  }

  #make(descriptor: GPUBufferDescriptor): GPUBuffer {
    let buffer = this.#tryMake(descriptor);
    if (buffer === null && this.numBytesAllocated > this.numBytesUsed) {
      this.releaseFree();
      buffer = this.#tryMake(descriptor);
    }
    if (buffer === null) {
      throw new MergeguardError(
        `the webgpu device is out of memory: there is no room for a buffer of ${descriptor.size} bytes beside ${this.numBytesAllocated} in use; smaller batches or a smaller tap.deviceMemory need less. The device said: ${this.#refusal}`,
      );
    }
    this.numBytesAllocated += descriptor.size;
    return buffer;
  }

  /** Null where there is no room. */
  #tryMake(descriptor: GPUBufferDescriptor): GPUBuffer | null {
    this.#refusal = null;
    this.#isCreating = true;
    let buffer: GPUBuffer;
    try {
      buffer = this.#device.createBuffer(descriptor);
    } finally {
      this.#isCreating = false;
    }
    if (this.#refusal === null) {
      return buffer;
    }
    buffer.destroy();
    return null;
  }

  #destroy(buffer: GPUBuffer): void {
    buffer.destroy();
    this.numBytesAllocated -= buffer.size;
  }
}

function keyOf(size: number, usage: number): string {
  return `${size} ${usage}`;
}
