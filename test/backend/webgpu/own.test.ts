import * as tf from '@tensorflow/tfjs';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { expect, it } from 'vitest';
import { describeBackend, openBackend } from '../../../src/backend/index.js';
import { hasDevice, onDevice } from './has-device.js';

const CARD = { vendor: 'nvidia', architecture: 'hopper', device: 'nvidia-h100', description: '550.54' };

it.skipIf(!hasDevice)(
  `a backend of the program's own is described by its own adapter, ${onDevice}`,
  async () => {
    // What is there after the survey has gone.
    tf.removeBackend('webgpu');
    const adapter = (await navigator.gpu.requestAdapter())!;
    const device = await adapter.requestDevice();
    // A mock of a machine with two adapters: the other one is the program's.
    Object.defineProperty(device, 'adapterInfo', { value: CARD });
    const own = new WebGPUBackend(device, adapter.info);
    tf.registerBackend('webgpu', () => own);
    await tf.setBackend('webgpu');
    await tf.ready();
    const { description } = await openBackend('webgpu');
    expect(tf.backend()).toBe(own);
    expect(description).toBe('nvidia-h100 (nvidia hopper, 550.54)');
    expect(describeBackend()).toBe(description);
  },
);
