import util from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { beforeEach, expect, it, vi } from 'vitest';

/** Mocks: what an install has put in its folder, and the native module in it, of which none need be on this machine. */
const { installed } = vi.hoisted(() => ({ installed: { backend: null as (() => unknown) | null } }));
vi.mock('../../../src/backend/tensorflow/place.js', async (original) => ({
  ...(await original<object>()),
  readInstalled: () => ({ version: '2.21.0', from: '/home/me/tensorflow.whl', usedGpu: false }),
}));
vi.mock('../../../src/backend/tensorflow/load.js', async (original) => ({
  ...(await original<object>()),
  loadTensorflow: () => tf.registerBackend('tensorflow', installed.backend as () => tf.KernelBackend, 3),
}));

const binding = { TF_Version: '2.21.0', isUsingGpuDevice: () => false };
const working = () => ({ binding, dispose: () => undefined }) as unknown as tf.KernelBackend;

/** As a process finds it that has opened nothing yet. */
async function freshlyLoaded() {
  vi.resetModules();
  return import('../../../src/backend/tensorflow/open.js');
}

beforeEach(() => {
  tf.copyRegisteredKernels('cpu', 'tensorflow');
  return () => {
    tf.removeBackend('tensorflow');
    for (const { kernelName } of tf.getKernelsForBackend('tensorflow')) {
      tf.unregisterKernel(kernelName, 'tensorflow');
    }
  };
});

it('gives a tfjs-node that the program has loaded the functions that later Node.js lack', async () => {
  const legacy = util as unknown as Record<string, unknown>;
  const { isNullOrUndefined, isArray } = legacy;
  delete legacy.isNullOrUndefined;
  delete legacy.isArray;
  try {
    tf.registerBackend('tensorflow', working, 3);
    const { openTensorflow } = await freshlyLoaded();
    expect((await openTensorflow()).description).toBe('libtensorflow 2.21.0, CPU, loaded by the program');
    expect((legacy.isNullOrUndefined as (value: unknown) => boolean)(null)).toBe(true);
    expect((legacy.isArray as (value: unknown) => boolean)([])).toBe(true);
  } finally {
    Object.assign(legacy, { isNullOrUndefined, isArray });
  }
});

it('says where it comes from, also where it opened at the second time only', async () => {
  let tries = 0;
  installed.backend = () => {
    tries++;
    if (tries === 1) {
      throw new Error('no memory on the device');
    }
    return working();
  };
  const { openTensorflow } = await freshlyLoaded();
  await expect(openTensorflow()).rejects.toThrow();
  expect((await openTensorflow()).description).toBe('libtensorflow 2.21.0, CPU, of tensorflow.whl');
  expect(tries).toBe(2);
});
