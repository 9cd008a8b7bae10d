import * as tf from '@tensorflow/tfjs';
import type { LossGradients } from '../../../src/steering/index.js';
import { MergeguardError } from '../../../src/tensors/index.js';

/** @throws MergeguardError for what is no result of a gradient computation */
export function checkComputed(computed: unknown): asserts computed is LossGradients {
  if (computed instanceof Promise) {
    // It goes on at the live weights; what comes of it is nobody's.
    computed.catch(() => {});
    throw new MergeguardError(
      'steered: the computation is asynchronous, and the weights are put back before it ends; await what it needs before, and compute the gradients synchronously inside',
    );
  }
  const { value, grads } = (computed ?? {}) as Partial<LossGradients>;
  if (!(value instanceof tf.Tensor) || typeof grads !== 'object' || grads === null) {
    throw new MergeguardError(
      'steered: the computation must return { value, grads }, the loss and its gradients by variable name, as tf.variableGrads and optimizer.computeGradients give them',
    );
  }
}

/** @throws MergeguardError where the computation has taken optimiser steps, which putting back the weights may have undone */
export function checkBody(before: number, after: number): void {
  if (after !== before) {
    throw new MergeguardError(
      'steered: the computation has taken an optimiser step, which is lost where the weights are put back; give it the gradients only, and apply them afterwards',
    );
  }
}
