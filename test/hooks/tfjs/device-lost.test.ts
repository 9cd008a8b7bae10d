import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { expect, it } from 'vitest';
import { attach } from '../../../hooks/tfjs/index.js';
import { DeviceLostError, openBackend } from '../../../src/backend/index.js';
import { hasDevice, onDevice } from '../../backend/webgpu/has-device.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel } from './guarded-loop.js';

const LOST = 'The device was lost; nothing is watched any more';

/** Everything at work: probes, functional metrics, merges, a term. */
const config = {
  ...EVERY_STEP,
  slow: { enabled: true, every: 1 },
  mergeProbe: { enabled: true, every: 1 },
  steering: { scale_jitter: { strength: 1, form: 'added' } },
} as const;

// One device a process: it is lost once.
it.skipIf(!hasDevice)(`a device lost while a guarded training is under way, ${onDevice}`, async () => {
  await openBackend('webgpu');
  const model = new SmallModel();
  const optimizer = tf.train.sgd(0.1);
  const references = await referencesFor(model.weights, ['one', 'two'], undefined, [6]);
  const calibration = model.calibration;
  const guard = await attach(optimizer, { weights: model.weights, references, calibration, config });
  const log = eventLog(guard);
  let steps = 0;
  const training = async () => {
    for (; steps < 20; steps++) {
      if (steps === 2) {
        (tf.backend() as WebGPUBackend).device.destroy();
      }
      const loss = optimizer.minimize(model.loss, true, model.variables) as tf.Scalar;
      await loss.data();
      loss.dispose();
    }
  };

  // The training's own error says it.
  await expect(training()).rejects.toBeInstanceOf(DeviceLostError);
  expect(steps).toBe(2);

  // The guard says it once, lets go of the optimiser and ends.
  await guard.detach();
  const lost = log.of('alert').filter(({ text }) => text.includes('was lost'));
  expect(lost).toMatchObject([{ title: LOST, level: 'error', rule: 'internal' }]);
  expect(log.titles).toEqual([LOST]);
  expect(log.of('end')).toMatchObject([{ status: 'detached' }]);
  expect(optimizer.applyGradients).toBe(tf.SGDOptimizer.prototype.applyGradients);
  model.dispose();
});
