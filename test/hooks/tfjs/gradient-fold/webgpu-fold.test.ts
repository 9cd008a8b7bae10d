import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { foldWays } from '../../../../hooks/tfjs/gradient-fold/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import { FullDevice } from '../../../backend/webgpu/full-device.js';
import { hasDevice, isSoftware, onDevice } from '../../../backend/webgpu/has-device.js';
import { FoldCase } from './fold-case.js';

const kernels = () => foldWays().find(({ name }) => name === 'kernels')!;

describe.skipIf(!hasDevice)(`folding by kernels, ${onDevice}`, () => {
  beforeAll(async () => {
    await openBackend('webgpu');
  });

  it.skipIf(!isSoftware)(
    'folds nothing where one gradient has no room, whatever is in the others',
    async () => {
      // A chunk each.
      const sizes = [512, 400, 10_007];
      const folding = new FoldCase(kernels(), { sizes, decay: 0.5, chunk: 512 });
      folding.fold([], 0);
      const before = await folding.read();
      const device = new FullDevice();
      device.fails = (bytes) => bytes === 4 * 10_007;
      expect(() => folding.fold([{ tensor: 0, at: 5, value: Number.NaN }], 1)).toThrow('out of memory');
      expect(() => folding.fold([], 2)).toThrow('out of memory');
      device.restore();
      expect(await folding.read()).toEqual(before);
      folding.rehearse();
      expect(await folding.read()).toEqual(before);
      folding.dispose();
    },
  );

  it('gives its own buffers back', async () => {
    const { device } = tf.backend() as WebGPUBackend;
    const made = vi.spyOn(device, 'createBuffer');
    const destroyed = vi.spyOn(GPUBuffer.prototype, 'destroy');
    const folding = new FoldCase(kernels(), { sizes: [300], decay: 0.5 });
    const uniforms = made.mock.results
      .map(({ value }) => value as GPUBuffer)
      .filter(({ usage }) => usage === (GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST));
    folding.fold([], 0);
    await folding.read();
    folding.dispose();
    vi.restoreAllMocks();
    expect(uniforms.length).toBeGreaterThan(0);
    expect(destroyed.mock.contexts).toEqual(expect.arrayContaining(uniforms));
  });
});
