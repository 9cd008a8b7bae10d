import { messageOf } from '../tensors/errors.js';

/** What TensorFlow, CUDA, Dawn (see DeviceError) and V8 say of it. A length of less than zero is somebody's mistake. */
const WORDS =
  /\bOOM\b|out[- _]of[- _]memory|resource[ _]exhausted|failed to allocate|allocation failed|invalid typed array length: \d/i;

/**
 * Whether an operation failed for want of memory on the device, so that with less of it the next may succeed. A full wasm heap is no
 * such case: its module is aborted, and nothing works after that.
 */
export function isOutOfMemory(error: unknown): boolean {
  return WORDS.test(messageOf(error));
}
