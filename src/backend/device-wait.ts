import * as tf from '@tensorflow/tfjs';

/** Rounds of which the quickest counts: what comes between is somebody else's. */
const ROUNDS = 5;
/** More than backends compute on the processor in place of the device. */
const ELEMENTS = 4096;

/**
 * Whether the active backend's device computes beside the thread that hands it work, so that only waiting tells how long the work
 * takes. The others compute while they are called.
 */
export function isAsynchronous(): boolean {
  const backend = tf.backend() as Partial<{ isUsingGpuDevice: boolean }>;
  return tf.getBackend() === 'webgpu' || backend.isUsingGpuDevice === true;
}

/** Waits until the device has done what it was handed, which it does in order, and has answered a small read. */
export async function deviceDone(): Promise<void> {
  const answer = tf.tidy(() => tf.sum(tf.fill([ELEMENTS], 1)));
  try {
    await answer.data();
  } finally {
    answer.dispose();
  }
}

/** Milliseconds until a device that has nothing to do answers a small read. */
export async function answerMs(): Promise<number> {
  await deviceDone();
  let quickest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await deviceDone();
    quickest = Math.min(quickest, performance.now() - start);
  }
  return quickest;
}
