import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { canonicalVariable, layersModelWeights, MergeguardError, permute } from '../../src/tensors/index.js';

function makeModel(denseName = 'fc'): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({
        name: 'conv',
        inputShape: [5, 6, 2],
        filters: 3,
        kernelSize: [2, 4],
        seed: 1,
      } as never),
      tf.layers.batchNormalization({ name: 'norm' }),
      tf.layers.flatten({ name: 'flat' }),
      tf.layers.dense({
        name: denseName,
        units: 4,
        trainable: false,
        kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }),
      }),
    ],
  });
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('permute', () => {
  it('is what tf.transpose does', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    const cases = sizes.chain((shape) =>
      fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
    );
    fc.assert(
      fc.property(cases, ([shape, permutation]) => {
        const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
        const expected = tf.tidy(() => tf.transpose(tf.tensor(data, shape), permutation).dataSync());
        expect(permute(data, shape, permutation)).toEqual(expected);
      }),
      { seed: 6, numRuns: 100 },
    );
  });
});

describe('canonicalVariable', () => {
  it('turns kernels and leaves everything else', () => {
    expect(canonicalVariable('fc/kernel', [3, 4])).toEqual({
      name: 'fc.weight',
      shape: [4, 3],
      permutation: [1, 0],
    });
    expect(canonicalVariable('c/kernel', [2, 5, 3, 4])).toEqual({
      name: 'c.weight',
      shape: [4, 3, 2, 5],
      permutation: [3, 2, 0, 1],
    });
    expect(canonicalVariable('c/kernel', [5, 3, 4]).shape).toEqual([4, 3, 5]);
    expect(canonicalVariable('gru/recurrent_kernel', [3, 9]).shape).toEqual([9, 3]);
    for (const name of ['fc/bias', 'e/embeddings', 'dw/depthwise_kernel', 'position', 'kernels/x']) {
      expect(canonicalVariable(name, [3, 4])).toMatchObject({ shape: [3, 4], permutation: null });
    }
  });
});

describe('layersModelWeights', () => {
  it('gives every weight its canonical name and layout, and says which are trained', async () => {
    const model = makeModel();
    const before = tf.memory().numTensors;
    const { tensors, mapping } = await layersModelWeights(model);
    expect(tf.memory().numTensors).toBe(before);
    expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual([
      ['conv.weight', [3, 2, 2, 4]],
      ['conv.bias', [3]],
      ['norm.weight', [3]],
      ['norm.bias', [3]],
      ['norm.running_mean', [3]],
      ['norm.running_var', [3]],
      ['fc.weight', [4, 36]],
      ['fc.bias', [4]],
    ]);
    expect(mapping.map(({ original, trainable }) => [original, trainable])).toEqual([
      ['conv/kernel', true],
      ['conv/bias', true],
      ['norm/gamma', true],
      ['norm/beta', true],
      ['norm/moving_mean', false],
      ['norm/moving_variance', false],
      ['fc/kernel', false],
      ['fc/bias', false],
    ]);
    const kernel = model.getLayer('fc').getWeights()[0]!;
    const values = kernel.arraySync() as number[][];
    const { data } = tensors.get('fc.weight')!;
    for (let i = 0; i < 36; i++) {
      for (let o = 0; o < 4; o++) {
        expect(data[o * 36 + i]).toBe(values[i]![o]);
      }
    }
    model.dispose();
  });

  it('gives a second model of the process the same names', async () => {
    const first = makeModel();
    const second = makeModel();
    const names = async (model: tf.LayersModel) => [...(await layersModelWeights(model)).tensors.keys()];
    expect(second.weights[0]!.name).not.toBe(first.weights[0]!.name);
    expect(await names(second)).toEqual(await names(first));
    first.dispose();
    second.dispose();
  });

  it('is a copy: neither side changes the other', async () => {
    const model = makeModel();
    const { tensors } = await layersModelWeights(model);
    const bias = tensors.get('fc.bias')!.data.slice();
    model.getLayer('fc').setWeights([tf.ones([36, 4]), tf.ones([4])]);
    expect(tensors.get('fc.bias')!.data).toEqual(bias);
    const { tensors: again } = await layersModelWeights(model);
    again.get('fc.bias')!.data.fill(7);
    expect((await layersModelWeights(model)).tensors.get('fc.bias')!.data).toEqual(
      Float32Array.of(1, 1, 1, 1),
    );
    model.dispose();
  });

  it('refuses two weights of one canonical name', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'module.fc', inputShape: [2], units: 2 }),
        tf.layers.dense({ name: 'fc', units: 2 }),
      ],
    });
    await expect(layersModelWeights(model)).rejects.toThrow(MergeguardError);
    await expect(layersModelWeights(model)).rejects.toThrow(
      /"module.fc\/kernel" and "fc\/kernel" are both "fc.weight"/,
    );
    model.dispose();
  });
});
