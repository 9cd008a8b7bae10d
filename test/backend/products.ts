import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { expect } from 'vitest';
import { expectClose, inMemory } from './checks.js';
import { type Array64, matMul64, matrixAt, transpose64 } from './float64.js';
import { normals64, onDevice, values64 } from './network.js';

const side = fc.integer({ min: 1, max: 7 });

export async function checkAnyProduct(): Promise<void> {
  const batch = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 });
  const property = fc.asyncProperty(
    ...([batch, side, side, side, fc.boolean(), fc.boolean()] as const),
    (outer, m, k, n, transposeA, transposeB) =>
      checkProduct([...outer, m, k], [...outer, k, n], transposeA, transposeB),
  );
  await fc.assert(property, { numRuns: 60, seed: 7 });
}

/** tfjs broadcasts one side only: [2, 1] times [1, 3] comes out wrong on its own cpu backend too. */
export const BATCHES: [number[], number[]][] = [
  [[1], [3]],
  [[3], [1]],
  [[], [2]],
  [[2], []],
  [
    [1, 1],
    [2, 3],
  ],
];

export async function checkBatches(outerA: number[], outerB: number[]): Promise<void> {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      await checkProduct([...outerA, 2, 5], [...outerB, 5, 3], transposeA, transposeB);
    }
  }
}

/** op(a) [..., m, k] times op(b) [..., k, n]. */
async function checkProduct(
  shapeA: number[],
  shapeB: number[],
  transposeA: boolean,
  transposeB: boolean,
): Promise<void> {
  const a = normals64(shapeA, 1, 'a', ...shapeA);
  const b = normals64(shapeB, 1, 'b', ...shapeB);
  const left = onDevice(transposeA ? transpose64(a) : a);
  const right = onDevice(transposeB ? transpose64(b) : b);
  const before = inMemory();
  const product = tf.matMul(left, right, transposeA, transposeB);
  const wanted = batchedProduct(a, b);
  expect(product.shape).toEqual(wanted.shape);
  expectClose(await values64(product), wanted, 1e-6);
  product.dispose();
  expect(inMemory()).toEqual(before);
  tf.dispose([left, right]);
}

/** Batch axes of length 1, and missing ones, count for every index. */
function batchedProduct(a: Array64, b: Array64): Array64 {
  const outer = tf.backend_util.assertAndGetBroadcastShape(
    a.shape.slice(0, -2) as number[],
    b.shape.slice(0, -2) as number[],
  );
  const count = outer.reduce((product, size) => product * size, 1);
  const data: number[] = [];
  for (let index = 0; index < count; index++) {
    data.push(...matMul64(matrixOf(a, outer, index), matrixOf(b, outer, index)).data);
  }
  return { shape: [...outer, a.shape.at(-2)!, b.shape.at(-1)!], data: Float64Array.from(data) };
}

/** The matrix of x that stands at `index` of the broadcast batch. */
function matrixOf(x: Array64, outer: readonly number[], index: number): Array64 {
  const own = x.shape.slice(0, -2);
  let rest = index;
  let at = 0;
  let step = 1;
  for (let axis = 1; axis <= own.length; axis++) {
    const place = rest % outer.at(-axis)!;
    rest = (rest - place) / outer.at(-axis)!;
    at += own.at(-axis) === 1 ? 0 : place * step;
    step *= own.at(-axis)!;
  }
  return matrixAt(x, at);
}

export async function checkArguments(): Promise<void> {
  const x = normals64([4, 3], 1, 'argument');
  const tensor = onDevice(x);
  const square = tf.matMul(tensor, tensor, true, false);
  expectClose(await values64(square), matMul64(transpose64(x), x), 1e-6);
  expect(await values64(tensor)).toEqual(x);
  tf.dispose([tensor, square]);
}
