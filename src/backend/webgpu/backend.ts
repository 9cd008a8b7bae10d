import type * as tf from '@tensorflow/tfjs';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { MergeguardError } from '../../tensors/errors.js';
import { type DeviceError, DeviceLostError, reportDeviceError } from '../device-errors.js';
import { BufferPool } from './buffer-pool.js';

/**
 * The backend of tfjs on a device that is watched. A lost device would make kernels do nothing and reads fail with a text about
 * buffers; errors of kernels would go unnoticed and leave zeros. Here kernels and reads after a loss throw `DeviceLostError`,
 * kernels that there is no memory for throw too (see BufferPool), and other errors go to `onDeviceError`.
 */
export class WatchedWebgpuBackend extends WebGPUBackend {
  readonly #name: string;
  readonly #pool: BufferPool;
  #loss: DeviceLostError | null = null;

  /** `name`: the adapter's, for people */
  constructor(device: GPUDevice, info: GPUAdapterInfo, name: string) {
    super(device, info);
    this.#name = name;
    this.#pool = new BufferPool(device, () => this.submitPending());
    // tfjs knows its own class only, which nothing but the backend uses.
    (this as { bufferManager: unknown }).bufferManager = this.#pool;
    void device.lost.then(({ reason, message }) => {
      const why = [reason, message].filter(Boolean).join(', ');
      this.#loss = new DeviceLostError(
        `the webgpu device ${name} was lost (${why}); what was on it is gone: start again in a new process, with another backend if it happens again (\`mergeguard doctor\` shows which open)`,
      );
      reportDeviceError({ kind: 'lost', message: this.#loss.message });
    });
    device.addEventListener('uncapturederror', (event) => {
      // Dawn prints what nobody takes.
      event.preventDefault();
      if (!this.#pool.takes(event.error)) {
        this.#report(event.error);
      }
    });
  }

  /** null while the device is there */
  get loss(): DeviceLostError | null {
    return this.#loss;
  }

  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    // A tensor that is disposed while it is read stays until then: tfjs would fail at noting its values.
    this.incRef(dataId);
    try {
      return await super.read(dataId);
    } catch (error) {
      // The rejected read may come before the promise of the loss.
      await new Promise((resolve) => setImmediate(resolve));
      throw this.#loss ?? error;
    } finally {
      this.disposeData(dataId);
    }
  }

  /** @throws MergeguardError for values on the device: the way of tfjs takes a canvas, which only browsers have */
  override readSync(dataId: object): tf.backend_util.BackendValues {
    const { values, dtype } = this.tensorMap.get(dataId);
    if (values == null && dtype !== 'complex64' && typeof OffscreenCanvas === 'undefined') {
      throw (
        this.#loss ??
        new MergeguardError(
          'webgpu can not wait for the device: use `await tensor.data()` instead of dataSync()',
        )
      );
    }
    return super.readSync(dataId);
  }

  override runWebGPUProgram(...args: Parameters<WebGPUBackend['runWebGPUProgram']>): tf.TensorInfo {
    if (this.#loss) {
      throw this.#loss;
    }
    const [program, inputs, dtype, uniforms, given] = args;
    const output = given ?? this.makeTensorInfo(program.outputShape, dtype);
    try {
      return super.runWebGPUProgram(program, inputs, dtype, uniforms, output);
    } catch (error) {
      // Nobody else knows of it yet.
      if (!given) {
        this.disposeData(output.dataId);
      }
      throw error;
    }
  }

  /** Hands over to the device what is recorded. */
  submitPending(): void {
    if ((this as unknown as { commandEncoder: GPUCommandEncoder | null }).commandEncoder !== null) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
  }

  /** Gives the memory of buffers that are kept for later back to the device. */
  releaseFreeMemory(): void {
    this.#pool.releaseFree();
  }

  #report(error: GPUError): void {
    if (error.message.includes('is invalid due to a previous error')) {
      // What is made of something that failed fails too.
      return;
    }
    let kind: DeviceError['kind'] = 'internal';
    if (error instanceof GPUOutOfMemoryError) {
      kind = 'out-of-memory';
    } else if (error instanceof GPUValidationError) {
      kind = 'validation';
    }
    const message = `${kind} error of the webgpu device ${this.#name}: ${firstPart(error.message)}`;
    reportDeviceError({ kind, message });
  }
}

/** Without Dawn's own places in its source. */
function firstPart(message: string): string {
  return message
    .split('\n')
    .filter((line) => !/^ {4}at /.test(line))
    .map((line) => line.trim())
    .join(' ')
    .trim();
}
