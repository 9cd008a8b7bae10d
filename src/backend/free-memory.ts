import * as tf from '@tensorflow/tfjs';

/** Gives memory that the active backend keeps for later tensors back to the device, where it is one that keeps some and can: webgpu. */
export function releaseFreeMemory(): void {
  (tf.backend() as { releaseFreeMemory?(): void }).releaseFreeMemory?.();
}
