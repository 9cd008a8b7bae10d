import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BACKEND_NAMES,
  type BackendName,
  openBackend,
  type Survey,
  surveyBackends,
} from '../../src/backend/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';

const ERROR_EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

function listeners(): unknown[][] {
  return ERROR_EVENTS.map((event) => process.listeners(event as 'uncaughtException'));
}

// Before anything else has loaded the wasm module.
const before = listeners();
await openBackend('wasm');
const after = listeners();

let survey: Survey[];
beforeAll(async () => {
  survey = await surveyBackends();
});

describe('openBackend', () => {
  it('makes the backend asked for the active one', async () => {
    for (const name of ['cpu', 'wasm'] as const) {
      const opened = await openBackend(name);
      expect(opened).toMatchObject({ name, rejected: [] });
      expect(opened.description).not.toBe('');
      expect(tf.getBackend()).toBe(name);
    }
  });

  it('leaves no handler of uncaught errors behind', () => {
    expect(after).toEqual(before);
  });

  it('replaces kernels once, however often it is called', async () => {
    const kernels = () =>
      ['BatchMatMul', 'MaxPoolGrad', 'AvgPoolGrad', 'UnsortedSegmentSum'].map(
        (kernel) => tf.getKernel(kernel, 'wasm').kernelFunc,
      );
    await openBackend('wasm');
    const first = kernels();
    await openBackend('cpu');
    await openBackend('wasm');
    expect(kernels()).toEqual(first);
  });

  it('refuses a name that it does not know, with those that it knows', async () => {
    const refusal = await openBackend('cuda' as BackendName).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(MergeguardError);
    expect((refusal as Error).message).toBe(
      'backend "cuda" is unknown; known are auto, tensorflow, webgpu, wasm, cpu',
    );
  });

  it('leaves the active backend in force when another is refused', async () => {
    await openBackend('wasm');
    const refused = survey.filter(({ opens }) => !opens).map(({ name }) => name);
    for (const name of [...refused, 'cuda' as BackendName]) {
      await expect(openBackend(name)).rejects.toBeInstanceOf(MergeguardError);
    }
    expect(tf.getBackend()).toBe('wasm');
    const sum = tf.tidy(() => tf.sum(tf.tensor1d([1, 2, 3])));
    expect((await sum.data())[0]).toBe(6);
    sum.dispose();
  });
});

describe('auto', () => {
  it('takes the first that opens and says why not those before it', async () => {
    const { name, rejected } = await openBackend('auto');
    expect(tf.getBackend()).toBe(name);
    expect(rejected.map((entry) => entry.name)).toEqual(BACKEND_NAMES.slice(0, BACKEND_NAMES.indexOf(name)));
    for (const { name: refused, reason, advice } of rejected) {
      const surveyed = survey.find((entry) => entry.name === refused)!;
      expect(advice).toBe(surveyed.advice);
      // One that opens is passed over only for being software.
      expect(reason).toContain(surveyed.opens ? 'software adapter' : surveyed.description);
    }
  });

  it('is what is meant when nothing is said', async () => {
    expect(await openBackend()).toEqual(await openBackend('auto'));
  });
});

describe('surveyBackends', () => {
  it('has a line for every backend, best first, with a way out', () => {
    expect(survey.map(({ name }) => name)).toEqual([...BACKEND_NAMES]);
    for (const { description, advice } of survey) {
      expect(description).not.toBe('');
      expect(description).not.toContain('\n');
      expect(advice).toMatch(/install/);
    }
    // Both come with the package.
    expect(survey.filter(({ name }) => name === 'wasm' || name === 'cpu').every(({ opens }) => opens)).toBe(
      true,
    );
  });

  it('leaves the best one active', async () => {
    await surveyBackends();
    const left = tf.getBackend();
    expect(left).toBe((await openBackend('auto')).name);
  });
});
