import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { guardCallback } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { Random } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, EventLog, referencesFor } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

/** x W + (x A^T) B^T out of three dense layers, of which W's is frozen. */
function build(): tf.LayersModel {
  const dense = (name: string, units: number, more: object = {}) =>
    tf.layers.dense({
      name,
      units,
      useBias: false,
      kernelInitializer: tf.initializers.glorotUniform({ seed: units }),
      ...more,
    });
  const inputs = tf.input({ shape: [5] });
  const whole = dense('encoder', 7, { trainable: false }).apply(inputs) as tf.SymbolicTensor;
  const thin = dense('encoder/lora_A', 2).apply(inputs) as tf.SymbolicTensor;
  const back = dense('encoder/lora_B', 7, { kernelInitializer: 'zeros' }).apply(thin) as tf.SymbolicTensor;
  const hidden = tf.layers.add().apply([whole, back]) as tf.SymbolicTensor;
  const outputs = dense('head', 2, { activation: 'softmax' }).apply(hidden) as tf.SymbolicTensor;
  const model = tf.model({ inputs, outputs });
  model.compile({ optimizer: tf.train.adam(0.05), loss: 'categoricalCrossentropy' });
  return model;
}

it('LayersModel.fit of layers that are named as factors', async () => {
  const model = build();
  const random = new Random('lora fit');
  const values = random.normals(24 * 5);
  const x = tf.tensor2d(values, [24, 5]);
  const classes = Int32Array.from({ length: 24 }, (_, i) => (values[5 * i] > 0 ? 1 : 0));
  const y = tf.oneHot(tf.tensor1d(classes, 'int32'), 2);
  const references = await referencesFor(model);
  const frozen = model.getLayer('encoder').getWeights()[0].dataSync().slice();
  const log = new EventLog();
  const callbacks = guardCallback({
    references,
    calibration: { inputs: x, labels: y },
    config: EVERY_STEP,
    onAttached: (guard) => guard.events.subscribe((event) => log.events.push(event)),
  });
  await model.fit(x, y, { epochs: 4, batchSize: 8, callbacks });
  expect(log.titles).toEqual([]);
  expect(log.of('hello')[0].coverage).toMatchObject({ matched: 1, parameters: 1 });
  expect(model.getLayer('encoder').getWeights()[0].dataSync()).toEqual(frozen);
  const [pair] = log.of('tick').at(-1)!.pairs;
  const tau = references[0].tau.get('encoder.weight')!.data;
  const [a, b] = ['encoder/lora_A', 'encoder/lora_B'].map((name) => model.getLayer(name).getWeights()[0]);
  const live = tf.tidy(() => tf.matMul(a, b).transpose().dataSync());
  const distance = Math.hypot(...live.map((value, i) => value - tau[i]));
  expect(Math.hypot(...live)).toBeGreaterThan(0.1);
  expect(pair.metrics.task_vector_l2_distance).toBeCloseTo(distance, 5);
});
