import { isAsynchronous } from '../../src/backend/index.js';

/** As many as most trainings take at once, whose memory is there. */
const AT_ONCE = 32;

/** Some samples in a row. */
export interface Chunk {
  readonly from: number;
  readonly size: number;
}

/** All of `count` samples, at most so many at a time. */
export function sampleChunks(count: number, atOnce = AT_ONCE): Chunk[] {
  return Array.from({ length: Math.ceil(count / atOnce) }, (_, i) => ({
    from: i * atOnce,
    size: Math.min(atOnce, count - i * atOnce),
  }));
}

/**
 * Samples whose evaluation is one measurement. Everything that an evaluation computes stays until it ends, and until its gradients are
 * taken: 128 samples of a large model are more than the heap of wasm holds. Where the device computes beside the thread, which has memory
 * and takes long to be told of many operations, all are evaluated at once.
 */
export function evaluationChunks(count: number): Chunk[] {
  return sampleChunks(count, isAsynchronous() ? count : AT_ONCE);
}
