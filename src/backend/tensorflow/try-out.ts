import * as tf from '@tensorflow/tfjs';
import { loadTensorflow } from './load.js';

/**
 * Run as a program of its own, on the folder of an install: loads it, multiplies two matrices, and prints one line of JSON. What does
 * not load may end the process.
 */
export interface TriedOut {
  readonly version: string;
  readonly usedGpu: boolean;
}

const binding = loadTensorflow(process.argv[2]);
await tf.setBackend('tensorflow');
const product = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6], [2, 1]));
const values = [...(await product.data())];
if (values.join() !== '17,39') {
  throw new Error(`[[1, 2], [3, 4]] times [5, 6] is [17, 39], and not [${values}]`);
}
const triedOut: TriedOut = { version: binding.TF_Version, usedGpu: binding.isUsingGpuDevice() };
process.stdout.write(`${JSON.stringify(triedOut)}\n`);
