import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BackendName, openBackend } from '../../src/backend/index.js';
import { expectClose, inMemory } from './checks.js';
import { ADAM, expected, LEARNING_RATE } from './expected.js';
import { type Array64, zeros64 } from './float64.js';
import { type Network, normals64, onDevice, values64 } from './network.js';
import { NETWORKS } from './networks.js';
import { OPS } from './ops.js';
import { BATCHES, checkAnyProduct, checkArguments, checkBatches } from './products.js';

/** What training and the guard need of a backend; every backend that opens is run through it. */
export function backendContract(name: BackendName): void {
  describe(`backend ${name}`, () => {
    beforeAll(async () => {
      await openBackend(name);
    });

    describe.each(NETWORKS.map((network) => [network.name, network] as const))('%s', (_, network) => {
      it('has the loss and the gradients of float64 finite differences', () => checkGradients(network));
      it('takes the same SGD step and the same Adam steps', () => checkSteps(network));
      it('leaves nothing in memory', () => checkMemory(network));
    });

    it.each(OPS.map((op) => [op.name, op] as const))('%s: loss, gradients, memory', async (_, op) => {
      await checkGradients(op);
      await checkMemory(op);
    });

    describe('matMul', () => {
      it('equals plain loops for any shape, batch and transpose flags', checkAnyProduct);
      it.each(BATCHES)('takes batches %j times %j', checkBatches);
      it('leaves its arguments as they are', checkArguments);
    });

    it('addN adds up more tensors than a device binds buffers', checkManyAdded);

    it('unsortedSegmentSum adds up rows by segment, empty segments are zero', checkSegmentSum);
  });
}

async function checkGradients(network: Network): Promise<void> {
  const built = network.build();
  const start = await Promise.all(built.variables.map(values64));
  const { loss, gradients } = expected(network, start);
  const { value, grads } = tf.variableGrads(built.loss, built.variables);
  expect(Math.abs((await value.data())[0] - loss)).toBeLessThan(1e-4 * Math.abs(loss));
  for (const [index, variable] of built.variables.entries()) {
    expectClose(await values64(grads[variable.name]), gradients[index]);
  }
  tf.dispose([value, grads]);
  built.dispose();
}

async function checkSteps(network: Network): Promise<void> {
  const { beta1, beta2, epsilon, steps } = ADAM;
  const runs = [
    { optimizer: tf.train.sgd(LEARNING_RATE), steps: 1, after: 'afterSgd' },
    { optimizer: tf.train.adam(LEARNING_RATE, beta1, beta2, epsilon), steps, after: 'afterAdam' },
  ] as const;
  for (const { optimizer, steps, after } of runs) {
    const built = network.build();
    const start = await Promise.all(built.variables.map(values64));
    for (let step = 0; step < steps; step++) {
      optimizer.minimize(built.loss, false, built.variables);
    }
    const wanted = expected(network, start)[after];
    for (const [index, variable] of built.variables.entries()) {
      const now = await values64(variable);
      // The way gone, not the place: a step is small beside the weights.
      expectClose(difference(now, start[index]), difference(wanted[index], start[index]), 1e-6);
    }
    optimizer.dispose();
    built.dispose();
  }
}

async function checkMemory(network: Network): Promise<void> {
  const built = network.build();
  const optimizer = tf.train.sgd(LEARNING_RATE);
  const everything = async () => {
    const cost = built.loss();
    await cost.data();
    const { value, grads } = tf.variableGrads(built.loss, built.variables);
    const again = optimizer.minimize(built.loss, true, built.variables) as tf.Scalar;
    await again.data();
    tf.dispose([cost, value, grads, again]);
  };
  // The first pass may keep constants for good.
  await everything();
  const before = inMemory();
  await everything();
  expect(inMemory()).toEqual(before);
  optimizer.dispose();
  built.dispose();
}

async function checkManyAdded(): Promise<void> {
  const before = inMemory();
  // Both sides of what fits into one, two and three kernels of a dozen buffers.
  for (const count of [1, 2, 11, 12, 21, 22, 44, 100]) {
    const tensors = Array.from({ length: count }, (_, i) => onDevice(normals64([3, 5], 1, 'addend', i)));
    const wanted = zeros64([3, 5]);
    for (const tensor of tensors) {
      (await values64(tensor)).data.forEach((value, i) => {
        wanted.data[i] += value;
      });
    }
    const sum = tf.addN(tensors);
    expectClose(await values64(sum), wanted);
    tf.dispose([sum, tensors]);
  }
  expect(inMemory()).toEqual(before);
}

async function checkSegmentSum(): Promise<void> {
  const values = [1, 2, 3, 4, 5, 6, 7, 8];
  const ids = [2, 0, 2, 4];
  const x = tf.tensor2d(values, [4, 2]);
  const segments = tf.tensor1d(ids, 'int32');
  const before = inMemory();
  const sums = tf.unsortedSegmentSum(x, segments, 5);
  expect(sums.shape).toEqual([5, 2]);
  expect([...(await sums.data())]).toEqual([3, 4, 0, 0, 6, 8, 0, 0, 7, 8]);
  sums.dispose();
  expect(inMemory()).toEqual(before);
  tf.dispose([x, segments]);
}

function difference(a: Array64, b: Array64): Array64 {
  return { shape: a.shape, data: a.data.map((value, i) => value - b.data[i]) };
}
