import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../hooks/tfjs/index.js';

/** As a program in plain JavaScript calls it. */
function attaching(optimizer: unknown, options?: unknown): Promise<unknown> {
  return attach(optimizer as tf.Optimizer, options as AttachOptions);
}

describe('what a program without types gets wrong', () => {
  it.each([[null], ['adam'], [{}]])(
    'the optimiser is %j: a rejection, and nothing later',
    async (optimizer) => {
      const options = { weights: {}, references: [] };
      await expect(attaching(optimizer, options)).rejects.toThrow(
        /the optimizer is none: give a tf.Optimizer/,
      );
    },
  );

  it('options are missing, misspelt, or no list: all at once', async () => {
    const optimizer = tf.train.sgd(0.1);
    await expect(attaching(optimizer)).rejects.toThrow(/give at least { weights, references }/);
    await expect(
      attaching(optimizer, { callibration: null, references: 'mnist.safetensors' }),
    ).rejects.toThrow(
      /"callibration"; did you mean calibration\?\n.*`weights` is missing.*\n.*`references` must be a list/,
    );
  });
});
