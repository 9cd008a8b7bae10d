import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import { imageTensor } from '../../src/zoo/image-tensor.js';
import { transformerShape, VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';
import { barSamples } from './small-tasks.js';

const SMALL = { width: 16, depth: 2, heads: 2 };
const models: VisionTransformer[] = [];

beforeAll(async () => {
  await openBackend('wasm');
});
afterEach(() => {
  for (const model of models.splice(0)) {
    model.dispose();
  }
});

function makeModel(shape = SMALL, seed = 0): VisionTransformer {
  const model = new VisionTransformer(shape, seed);
  models.push(model);
  return model;
}

function valuesOf(model: VisionTransformer): number[][] {
  return [...model.encoder().values()].map((variable) => [...variable.dataSync()]);
}

describe('transformerShape', () => {
  it('reads the shape from the weights of an encoder', async () => {
    for (const shape of [ZOO_SHAPE, { width: 64, depth: 2, heads: 4 }]) {
      expect(transformerShape(await sharedWeights(makeModel(shape).encoder()))).toEqual(shape);
    }
  });

  it('refuses tensors of something else', () => {
    expect(() => transformerShape(new Map())).toThrow('these tensors are no encoder of the zoo');
  });
});

describe('VisionTransformer', () => {
  it('has 0.2 to 0.8 million parameters in the zoo', () => {
    const sizes = [...makeModel(ZOO_SHAPE).encoder().values()].map(({ size }) => size);
    const parameters = sizes.reduce((sum, size) => sum + size, 0);
    expect(parameters).toBeGreaterThan(200_000);
    expect(parameters).toBeLessThan(800_000);
  });

  it('gives features [N, width] and logits [N, classes], without leaking', () => {
    const model = makeModel();
    model.addHead('bars', 7, 0);
    const images = imageTensor(barSamples(3, 2, 'shapes'));
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      expect(model.features(images).shape).toEqual([3, 16]);
      const logits = model.logits(images, 'bars');
      expect(logits.shape).toEqual([3, 7]);
      expect([...logits.dataSync()].every(Number.isFinite)).toBe(true);
    });
    expect(tf.memory().numTensors).toBe(before);
    images.dispose();
  });

  it('scores an image by itself, whatever else is in the batch', () => {
    const model = makeModel();
    model.addHead('bars', 3, 0);
    const { images, labels } = barSamples(4, 2, 'batch');
    const together = tf.tidy(() => model.logits(imageTensor({ images, labels }), 'bars').arraySync());
    const alone = tf.tidy(() =>
      model
        .logits(
          imageTensor({ images: images.subarray(2 * 784, 3 * 784), labels: labels.subarray(2, 3) }),
          'bars',
        )
        .arraySync(),
    );
    alone[0].forEach((value, i) => {
      expect(value).toBeCloseTo(together[2][i], 5);
    });
  });

  it('sees where the ink is: an image and its shifted patches differ', () => {
    const model = makeModel();
    const { images } = barSamples(1, 2, 'order');
    const shifted = new Uint8Array(784);
    shifted.set(images.subarray(7 * 28));
    shifted.set(images.subarray(0, 7 * 28), 21 * 28);
    const both = { images: Uint8Array.from([...images, ...shifted]), labels: new Uint8Array(2) };
    const [first, second] = tf.tidy(() => model.features(imageTensor(both)).arraySync());
    expect(first.some((value, i) => Math.abs(value - second[i]) > 1e-4)).toBe(true);
  });

  it('adds, replaces and removes heads, and names the ones it has', () => {
    const model = makeModel();
    const bare = tf.memory().numTensors;
    model.addHead('bars', 2, 0);
    model.addHead('lines', 5, 0);
    expect([...model.head('lines')].map(([name, { shape }]) => [name, shape])).toEqual([
      ['head/lines/kernel', [16, 5]],
      ['head/lines/bias', [5]],
    ]);
    model.addHead('lines', 3, 0);
    expect(model.head('lines').get('head/lines/kernel')?.shape).toEqual([16, 3]);
    expect(tf.memory().numTensors).toBe(bare + 4);
    model.removeHead('lines');
    model.removeHead('never there');
    expect(() => model.head('lines')).toThrow('no head "lines"; it has bars');
    model.removeHead('bars');
    expect(() => model.head('lines')).toThrow('it has none');
    expect(tf.memory().numTensors).toBe(bare);
  });

  it('starts with the same weights for the same seed only, and gives all memory back', () => {
    const before = tf.memory().numTensors;
    expect(valuesOf(makeModel(SMALL, 4))).toEqual(valuesOf(makeModel(SMALL, 4)));
    expect(valuesOf(makeModel(SMALL, 4))).not.toEqual(valuesOf(makeModel(SMALL, 5)));
    for (const model of models.splice(0)) {
      model.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});
