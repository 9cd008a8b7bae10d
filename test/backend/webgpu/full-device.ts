import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

/**
 * A mock of exhaustion, since no device here can be filled: buffers that `fails` picks are asked for as large as the device allows,
 * which a software driver has no room for. What comes of that is the device's own.
 */
export class FullDevice {
  /** asked for each buffer that is made, with its bytes */
  fails: (bytes: number) => boolean = () => false;
  /** buffers that were asked for */
  asked = 0;
  readonly #device = (tf.backend() as WebGPUBackend).device;

  constructor() {
    const { createBuffer } = GPUDevice.prototype;
    const { maxBufferSize } = this.#device.limits;
    this.#device.createBuffer = (descriptor) => {
      this.asked += 1;
      const size = this.fails(descriptor.size) ? maxBufferSize : descriptor.size;
      return createBuffer.call(this.#device, { ...descriptor, size });
    };
  }

  restore(): void {
    delete (this.#device as Partial<GPUDevice>).createBuffer;
  }
}
