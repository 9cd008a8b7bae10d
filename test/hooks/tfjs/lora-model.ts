import * as tf from '@tensorflow/tfjs';
import { makeReference, type Reference } from '../../../src/reference/index.js';
import { type HostTensor, type NamedTensors, permute, Random } from '../../../src/tensors/index.js';

const [INPUTS, HIDDEN, OUTPUTS, CLASSES, SAMPLES] = [24, 32, 20, 3, 16];
export const SCALE = 0.5;
/** width of subspaces, at most any rank here */
export const K = 2;

/** Multiples of a power of two, few enough that products and sums of them are exact in float32. */
function grid(random: Random, count: number, step: number): Float32Array {
  return Float32Array.from({ length: count }, () => (random.integer(9) - 4) * step);
}

function variable(values: Float32Array, shape: number[], trainable = true): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(values, shape), trainable));
}

/** [rows, columns] in float64 */
function times(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, rank: number, columns: number) {
  const product = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let r = 0; r < rank; r++) {
      for (let j = 0; j < columns; j++) {
        product[i * columns + j] += a[i * rank + r] * b[r * columns + j];
      }
    }
  }
  return product;
}

/** A forward pass over two matrices as they act on rows, the bias and the head. */
interface Parts {
  readonly first: (rows: tf.Tensor2D) => tf.Tensor2D;
  readonly second: (rows: tf.Tensor2D) => tf.Tensor2D;
}

/**
 * [24] -> 32 -> 20 -> 3 classes. The first matrix is a tfjs kernel with factors named as a loop of one's own would, the second
 * as PEFT names it all; both are frozen, bias and head are trained. Both factors begin off zero, so that everything counts.
 */
export class LoraModel {
  readonly kernel: tf.Variable;
  readonly kernelA: tf.Variable;
  readonly kernelB: tf.Variable;
  readonly weight: tf.Variable;
  readonly weightA: tf.Variable;
  readonly weightB: tf.Variable;
  readonly bias: tf.Variable;
  readonly head: tf.Variable;
  readonly inputs: tf.Tensor2D;
  readonly labels: Int32Array;
  readonly #oneHot: tf.Tensor2D;
  /** made by `dense` */
  readonly #others: tf.Variable[] = [];

  constructor(seed = 1, zero = false) {
    const random = new Random('lora', seed);
    const factor = (count: number) => grid(random, count, 2 ** -3);
    const start = (count: number) => (zero ? new Float32Array(count) : factor(count));
    this.kernel = variable(grid(random, INPUTS * HIDDEN, 2 ** -5), [INPUTS, HIDDEN], false);
    this.kernelA = variable(factor(4 * INPUTS), [4, INPUTS]);
    this.kernelB = variable(start(HIDDEN * 4), [HIDDEN, 4]);
    this.weight = variable(grid(random, OUTPUTS * HIDDEN, 2 ** -5), [OUTPUTS, HIDDEN], false);
    this.weightA = variable(factor(3 * HIDDEN), [3, HIDDEN]);
    this.weightB = variable(start(OUTPUTS * 3), [OUTPUTS, 3]);
    this.bias = variable(grid(random, HIDDEN, 2 ** -5), [HIDDEN]);
    this.head = variable(random.normals(OUTPUTS * CLASSES, 0.3), [OUTPUTS, CLASSES]);
    const values = random.normals(SAMPLES * INPUTS);
    this.inputs = tf.tensor2d(values, [SAMPLES, INPUTS]);
    this.labels = Int32Array.from({ length: SAMPLES }, (_, i) => (values[i * INPUTS] > 0 ? 1 : i % 3));
    this.#oneHot = tf.tidy(() => tf.oneHot(tf.tensor1d(this.labels, 'int32'), CLASSES) as tf.Tensor2D);
  }

  get weights(): Record<string, tf.Variable> {
    return {
      'encoder/q/kernel': this.kernel,
      'encoder/q/lora_A': this.kernelA,
      'encoder/q/lora_B': this.kernelB,
      'encoder.k.base_layer.weight': this.weight,
      'encoder.k.lora_A.default.weight': this.weightA,
      'encoder.k.lora_B.default.weight': this.weightB,
      'encoder/q/bias': this.bias,
      'head/kernel': this.head,
    };
  }

  get variables(): tf.Variable[] {
    return Object.values(this.weights);
  }

  get trained(): tf.Variable[] {
    return this.variables.filter(({ trainable }) => trainable);
  }

  readonly #adapted: Parts = {
    first: (rows) =>
      tf.add(
        tf.matMul(rows, this.kernel as tf.Tensor2D),
        this.#update(rows, this.kernelA as tf.Tensor2D, this.kernelB as tf.Tensor2D),
      ),
    second: (rows) =>
      tf.add(
        tf.matMul(rows, this.weight as tf.Tensor2D, false, true),
        this.#update(rows, this.weightA as tf.Tensor2D, this.weightB as tf.Tensor2D),
      ),
  };

  #update(rows: tf.Tensor2D, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
    return tf.mul(tf.matMul(tf.matMul(rows, a, false, true), b, false, true), SCALE);
  }

  #calibration({ first, second }: Parts, bias: tf.Variable) {
    const activation = (inputs: tf.Tensor): tf.Tensor2D =>
      second(tf.tanh(tf.add(first(inputs as tf.Tensor2D), bias)) as tf.Tensor2D);
    const predict = (inputs: tf.Tensor) => tf.matMul(activation(inputs), this.head as tf.Tensor2D);
    return { inputs: this.inputs, labels: this.labels, predict, activation };
  }

  get calibration() {
    return this.#calibration(this.#adapted, this.bias);
  }

  readonly loss = (): tf.Scalar =>
    tf.losses.softmaxCrossEntropy(this.#oneHot, this.calibration.predict(this.inputs));

  /** Task vectors of the two matrices in float64, [out, in]. */
  taus(): Record<'encoder.q.weight' | 'encoder.k.weight', Float64Array> {
    const tau = (b: tf.Variable, a: tf.Variable) => {
      const [out, rank] = b.shape;
      return times(b.dataSync(), a.dataSync(), out, rank, a.shape[1]!).map((value) => SCALE * value);
    };
    return {
      'encoder.q.weight': tau(this.kernelB, this.kernelA),
      'encoder.k.weight': tau(this.weightB, this.weightA),
    };
  }

  /** The base's values: the frozen matrices, and the bias as it is now. */
  base(): NamedTensors {
    const kernel = permute(this.kernel.dataSync() as Float32Array, [INPUTS, HIDDEN], [1, 0]);
    const copy = (of: tf.Variable) => Float32Array.from(of.dataSync());
    return new Map<string, HostTensor>([
      ['encoder.q.weight', { shape: [HIDDEN, INPUTS], data: kernel }],
      ['encoder.k.weight', { shape: [OUTPUTS, HIDDEN], data: copy(this.weight) }],
      ['encoder.q.bias', { shape: [HIDDEN], data: copy(this.bias) }],
    ]);
  }

  /** The same model trained in full: its weights at the base, what is to be assigned to be at base + tau, its forward pass. */
  dense() {
    const base = this.base();
    const taus = this.taus();
    const kernel = variable(this.kernel.dataSync() as Float32Array, [INPUTS, HIDDEN]);
    const weight = variable(this.weight.dataSync() as Float32Array, [OUTPUTS, HIDDEN]);
    const bias = variable(this.bias.dataSync() as Float32Array, [HIDDEN]);
    this.#others.push(kernel, weight, bias);
    const move = () => {
      const moved = (name: keyof typeof taus) =>
        base.get(name)!.data.map((value, i) => value + taus[name][i]);
      const values = permute(moved('encoder.q.weight'), [HIDDEN, INPUTS], [1, 0]);
      tf.tidy(() => {
        kernel.assign(tf.tensor(values, [INPUTS, HIDDEN]));
        weight.assign(tf.tensor(moved('encoder.k.weight'), [OUTPUTS, HIDDEN]));
      });
    };
    const parts: Parts = {
      first: (rows) => tf.matMul(rows, kernel as tf.Tensor2D),
      second: (rows) => tf.matMul(rows, weight as tf.Tensor2D, false, true),
    };
    return {
      weights: { 'encoder/q/kernel': kernel, 'encoder.k.weight': weight, 'encoder/q/bias': bias },
      move,
      calibration: this.#calibration(parts, bias),
    };
  }

  dispose(): void {
    tf.dispose([...this.variables, ...this.#others, this.inputs, this.#oneHot]);
  }
}

/** A reference of full rank, and one whose matrices are adapted too: one of them, the other is as in the base. */
export function referencesOf(base: NamedTensors, k = K): Reference[] {
  const random = new Random('lora references');
  const moved = new Map(
    [...base].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value) => value + 0.1 * random.normal()) },
    ]),
  );
  const samples = (count: number) => ({
    shape: [count, INPUTS],
    data: random.normals(count * INPUTS),
  });
  const extras = {
    calibration: { images: samples(12), labels: new Int32Array(12) },
    inputGradient: samples(8),
  };
  const [out, width] = base.get('encoder.q.weight')!.shape;
  const left = { shape: [out, 2], data: grid(random, out * 2, 2 ** -3) };
  const right = { shape: [2, width], data: grid(random, 2 * width, 2 ** -3) };
  const tau = times(left.data, right.data, out, 2, width);
  const adapted = new Map(base);
  const values = base.get('encoder.q.weight')!.data.map((value, i) => value + tau[i]);
  adapted.set('encoder.q.weight', { shape: [out, width], data: values });
  const full = makeReference({ name: 'full', base, model: moved, k, ...extras });
  const low = makeReference({ name: 'adapter', base, model: adapted, k, ...extras });
  return [full, { ...low, tau: new Map(), factors: new Map([['encoder.q.weight', { left, right }]]) }];
}
