import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { correctPoolGradients } from '../pool-gradients.js';
import { type Described, describe, findAdapter } from './adapter.js';
import { WatchedWebgpuBackend } from './backend.js';
import { requestDevice } from './device.js';
import { registerWebgpuKernels } from './kernels.js';
import { lookApart } from './look-apart.js';

/**
 * Puts a webgpu backend with a device of its own in the place of the one that tfjs would make, once a process.
 * @param takesSoftware whether a software adapter will do
 * @throws Error without the npm package or an adapter, for a software adapter that will not do, and the DeviceLostError of a lost device
 */
export async function openWebgpu(takesSoftware: boolean): Promise<{ description: string }> {
  const present = (tf.engine().registry as Record<string, tf.KernelBackend>).webgpu;
  if (present instanceof WatchedWebgpuBackend && present.loss) {
    throw present.loss;
  }
  // A program's own backend, or ours of before, stays: tensors are on it.
  if (present !== undefined) {
    const found = describe((present as WebGPUBackend).device.adapterInfo);
    checkTaken(found, takesSoftware);
    return ready(found);
  }
  const found = await findAdapter(await implementation());
  checkTaken(found, takesSoftware);
  const { adapter, name } = found;
  const device = await requestDevice(adapter);
  if (tf.findBackendFactory('webgpu') !== null) {
    tf.removeBackend('webgpu');
  }
  tf.registerBackend('webgpu', () => new WatchedWebgpuBackend(device, adapter.info, name));
  return ready(found);
}

/** @throws Error for a software adapter that will not do */
function checkTaken({ name, isSoftware }: Described, takesSoftware: boolean): void {
  if (isSoftware && !takesSoftware) {
    throw new Error(`${name} is a software adapter, slower than wasm; --backend webgpu takes it`);
  }
}

function ready({ name, isSoftware }: Described): { description: string } {
  registerWebgpuKernels();
  correctPoolGradients('webgpu');
  return { description: isSoftware ? `${name}, a software adapter` : name };
}

/** Once a process: `auto` and `doctor` come here more than once. */
let looking: Promise<void> | null = null;

/** The environment's own, else that of the npm package, which is put where tfjs looks for it. */
async function implementation(): Promise<GPU> {
  if (globalThis.navigator === undefined) {
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true, writable: true });
  }
  if (navigator.gpu === undefined) {
    // An optional package, which the types do not need to be there.
    const url = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
    looking ??= lookApart(url);
    await looking;
    const { create, globals } = (await import(url)) as {
      create(options: string[]): GPU;
      globals: Record<string, unknown>;
    };
    Object.assign(globalThis, globals);
    Object.defineProperty(navigator, 'gpu', { value: create([]), configurable: true });
  }
  return navigator.gpu;
}
