import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { Random } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { deviceStatistics, settle } from './random-models.js';

const [SIZE, RANK] = [512, 4];
/** bytes of one matrix */
const DENSE = 4 * SIZE * SIZE;

beforeAll(() => openBackend(chosen));

function weights(matrices: number): Record<string, tf.Variable> {
  const random = new Random('large');
  const variables: Record<string, tf.Variable> = {};
  const add = (name: string, shape: [number, number], trainable: boolean) => {
    variables[name] = tf.tidy(() =>
      tf.variable(tf.tensor(random.normals(shape[0] * shape[1]), shape), trainable),
    );
  };
  for (let matrix = 0; matrix < matrices; matrix++) {
    add(`${matrix}/kernel`, [SIZE, SIZE], false);
    add(`${matrix}/lora_A`, [RANK, SIZE], true);
    add(`${matrix}/lora_B`, [SIZE, RANK], true);
  }
  return variables;
}

/** That has moved nothing but knows subspaces, the first unit vectors. */
function reference(names: readonly string[]): Reference {
  const unit = Float32Array.from({ length: SIZE * RANK }, (_, i) =>
    i % (RANK + 1) === 0 && i < RANK * RANK ? 1 : 0,
  );
  const basis = { shape: [SIZE, RANK], data: unit };
  return {
    name: 'unit',
    baseHash: '0'.repeat(64),
    tensors: names.map((name) => ({ name, shape: [SIZE, SIZE] })),
    gradientRecipe: null,
    accuracy: null,
    loss: null,
    tensorMap: {},
    madeBy: {},
    tau: new Map(),
    factors: new Map(),
    norms: new Float64Array(names.length),
    subspaces: new Map(names.map((name) => [name, { k: RANK, left: basis, right: basis }])),
    spectra: new Map(),
    bottoms: new Map(),
    gradient: null,
    head: null,
    calibration: null,
    inputGradient: null,
  };
}

/** Bytes that a tick has beyond those that it leaves, at most; and how many dense products it makes. */
async function tick(matrices: number): Promise<{ peak: number; products: number }> {
  const variables = weights(matrices);
  const { shared } = layoutOf(variables);
  const references = [reference(shared.map(({ name }) => name))];
  const before = tf.memory();
  const statistics = deviceStatistics(shared, references, {
    chunk: SIZE * SIZE,
    k: RANK,
    unmeasured: { gradient: 'adapters' },
  });
  await settle(statistics, 3);
  const resting = tf.memory();
  // The reference's task vectors are dense; of the live model there are none, nor a base, nor gradients.
  expect(resting.numBytes - before.numBytes).toBeLessThan((matrices + 0.5) * DENSE);
  const nothing = tf.zeros([1]) as tf.Tensor1D;
  let packed = nothing;
  const { kernels, peakBytes } = await tf.profile(() => {
    packed = statistics.measure(nothing);
  });
  statistics.read(packed.dataSync() as Float32Array, 1);
  tf.dispose([packed, nothing]);
  expect(tf.memory()).toMatchObject({ numTensors: resting.numTensors, numBytes: resting.numBytes });
  statistics.dispose();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  tf.dispose(variables);
  const isDense = (shape: number[]) => tf.util.sizeFromShape(shape) >= SIZE * SIZE;
  const products = kernels.filter(
    ({ name, outputShapes }) => name === 'BatchMatMul' && outputShapes.some(isDense),
  );
  return { peak: peakBytes - resting.numBytes, products: products.length };
}

describe('memory of a live model with LoRA adapters', () => {
  it('a tick makes one dense product at a time, however many matrices there are, and leaves none', async () => {
    const few = await tick(1);
    const many = await tick(6);
    expect(few.products).toBe(1);
    expect(many.products).toBe(6);
    expect(many.peak).toBeLessThan(few.peak + 0.5 * DENSE);
  });
});
