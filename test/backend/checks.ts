import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { Array64 } from './float64.js';

/** Tensors that tfjs counts, and buffers that the backend holds. */
export function inMemory(): { tensors: number; data: number } {
  return { tensors: tf.memory().numTensors, data: tf.engine().backend.numDataIds() };
}

/** Largest error at most a thousandth of the largest entry, and of `least` where all are small. */
export function expectClose(actual: Array64, wanted: Array64, least = 1e-5): void {
  expect(actual.shape).toEqual(wanted.shape);
  const scale = wanted.data.reduce((most, value) => Math.max(most, Math.abs(value)), least);
  const error = actual.data.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted.data[i])), 0);
  expect(error).toBeLessThan(1e-3 * scale);
}
