import * as tf from '@tensorflow/tfjs';
import { MergeguardError, type NamedTensors } from '../tensors/index.js';
import { Random } from '../tensors/random.js';

/** The zoo's model: 28 x 28 grey images, 16 patches of 7 x 7, pre-norm transformer blocks, mean pooling. */
export interface TransformerShape {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
}

/** 239,000 parameters beside the heads. */
export const ZOO_SHAPE: TransformerShape = { width: 80, depth: 3, heads: 4 };

/** attention heads of every zoo model: weights do not say */
const HEADS = 4;

/** The shape of a zoo model whose encoder these tensors are, by canonical name. @throws MergeguardError for others */
export function transformerShape(encoder: NamedTensors): TransformerShape {
  const width = encoder.get('encoder.position')?.shape[1];
  const blocks = [...encoder.keys()].filter((name) =>
    /^encoder\.blocks\.\d+\.attention\.qkv\.weight$/.test(name),
  );
  if (width === undefined || blocks.length === 0) {
    throw new MergeguardError(
      "these tensors are no encoder of the zoo: it has encoder.position and encoder.blocks.0 and so on; is it the zoo's model?",
    );
  }
  return { width, depth: blocks.length, heads: HEADS };
}

const SIDE = 28;
const PATCH = 7;
const TOKENS = (SIDE / PATCH) ** 2;

/**
 * A small vision transformer: an encoder that all tasks share and one linear head a task. Kernels are stored
 * [in, out], as tfjs does. Variables are named `encoder/...` and `head/TASK/...`.
 */
export class VisionTransformer {
  readonly shape: TransformerShape;
  readonly #encoder = new Map<string, tf.Variable>();
  readonly #heads = new Map<string, { kernel: tf.Variable; bias: tf.Variable }>();

  constructor(shape: TransformerShape, seed: number) {
    this.shape = shape;
    const random = new Random('vision-transformer', seed);
    const { width, depth } = shape;
    const kernel = (name: string, rows: number, columns: number, gain = 1) =>
      this.#add(name, [rows, columns], random.normals(rows * columns, gain / Math.sqrt(rows)));
    const constant = (name: string, size: number, value: number) =>
      this.#add(name, [size], new Float32Array(size).fill(value));
    kernel('patch/kernel', PATCH * PATCH, width);
    constant('patch/bias', width, 0);
    this.#add('position', [TOKENS, width], random.normals(TOKENS * width, 0.02));
    for (let block = 0; block < depth; block++) {
      const name = `blocks/${block}`;
      constant(`${name}/norm1/gamma`, width, 1);
      constant(`${name}/norm1/beta`, width, 0);
      kernel(`${name}/attention/qkv/kernel`, width, 3 * width);
      constant(`${name}/attention/qkv/bias`, 3 * width, 0);
      // Residual branches start small, so that the depth does not blow up the first activations.
      kernel(`${name}/attention/out/kernel`, width, width, 1 / Math.sqrt(2 * depth));
      constant(`${name}/attention/out/bias`, width, 0);
      constant(`${name}/norm2/gamma`, width, 1);
      constant(`${name}/norm2/beta`, width, 0);
      kernel(`${name}/mlp/fc1/kernel`, width, 4 * width);
      constant(`${name}/mlp/fc1/bias`, 4 * width, 0);
      kernel(`${name}/mlp/fc2/kernel`, 4 * width, width, 1 / Math.sqrt(2 * depth));
      constant(`${name}/mlp/fc2/bias`, width, 0);
    }
    constant('norm/gamma', width, 1);
    constant('norm/beta', width, 0);
  }

  #add(name: string, shape: number[], values: Float32Array): void {
    this.#encoder.set(
      `encoder/${name}`,
      tf.tidy(() => tf.variable(tf.tensor(values, shape))),
    );
  }

  /** Adds the task's head; an existing one is replaced. */
  addHead(task: string, classes: number, seed: number): void {
    this.removeHead(task);
    const random = new Random('head', task, seed);
    const { width } = this.shape;
    this.#heads.set(task, {
      kernel: tf.tidy(() => tf.variable(tf.tensor(random.normals(width * classes, 0.02), [width, classes]))),
      bias: tf.tidy(() => tf.variable(tf.zeros([classes]))),
    });
  }

  removeHead(task: string): void {
    const head = this.#heads.get(task);
    head?.kernel.dispose();
    head?.bias.dispose();
    this.#heads.delete(task);
  }

  /** Variables of the shared encoder by tfjs-style name. */
  encoder(): ReadonlyMap<string, tf.Variable> {
    return this.#encoder;
  }

  /** Variables of one head by tfjs-style name. */
  head(task: string): ReadonlyMap<string, tf.Variable> {
    const head = this.#heads.get(task);
    if (!head) {
      throw new Error(
        `the model has no head "${task}"; it has ${[...this.#heads.keys()].join(', ') || 'none'}`,
      );
    }
    return new Map([
      [`head/${task}/kernel`, head.kernel],
      [`head/${task}/bias`, head.bias],
    ]);
  }

  /** images [N, 28, 28], ink near 1, to logits [N, classes]. Call it inside tf.tidy. */
  logits(images: tf.Tensor3D, task: string): tf.Tensor2D {
    return this.headLogits(this.features(images), task);
  }

  /** the encoder's output [N, width] to logits [N, classes] */
  headLogits(features: tf.Tensor2D, task: string): tf.Tensor2D {
    const { kernel, bias } = this.#heads.get(task) as { kernel: tf.Variable; bias: tf.Variable };
    return tf.add(tf.matMul(features, kernel as tf.Tensor as tf.Tensor2D), bias);
  }

  /** images [N, 28, 28] to the encoder's output [N, width]. */
  features(images: tf.Tensor3D): tf.Tensor2D {
    const { width, depth } = this.shape;
    const count = images.shape[0];
    const side = SIDE / PATCH;
    // [N, 4, 7, 4, 7] -> [N, 4, 4, 7, 7] as a 4-D transpose: the 5-D one is slow on wasm.
    const split = tf.reshape(images, [count * side, PATCH, side, PATCH]);
    const patches = tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [
      count * TOKENS,
      PATCH * PATCH,
    ]) as tf.Tensor2D;
    const embedded = tf.reshape(this.#dense(patches, 'patch'), [count, TOKENS, width]);
    let x = tf.reshape(tf.add(embedded, this.#get('position')), [count * TOKENS, width]) as tf.Tensor2D;
    for (let block = 0; block < depth; block++) {
      x = tf.add(
        x,
        this.#attention(this.#norm(x, `blocks/${block}/norm1`), `blocks/${block}/attention`, count),
      );
      x = tf.add(x, this.#mlp(this.#norm(x, `blocks/${block}/norm2`), `blocks/${block}/mlp`));
    }
    const normed = tf.reshape(this.#norm(x, 'norm'), [count, TOKENS, width]);
    return tf.mean(normed, 1);
  }

  #get(name: string): tf.Variable {
    return this.#encoder.get(`encoder/${name}`) as tf.Variable;
  }

  #dense(x: tf.Tensor2D, name: string): tf.Tensor2D {
    const product = tf.matMul(x, this.#get(`${name}/kernel`) as tf.Tensor as tf.Tensor2D);
    return tf.add(product, this.#get(`${name}/bias`));
  }

  #norm(x: tf.Tensor2D, name: string): tf.Tensor2D {
    const centred = tf.sub(x, tf.mean(x, 1, true));
    const variance = tf.mean(tf.square(centred), 1, true);
    const scaled = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(scaled, this.#get(`${name}/gamma`)), this.#get(`${name}/beta`));
  }

  #attention(x: tf.Tensor2D, name: string, count: number): tf.Tensor2D {
    const { width, heads } = this.shape;
    const size = width / heads;
    const byHead = tf
      .split(this.#dense(x, `${name}/qkv`), 3, 1)
      .map((part) =>
        tf.reshape(tf.transpose(tf.reshape(part, [count, TOKENS, heads, size]), [0, 2, 1, 3]), [
          count * heads,
          TOKENS,
          size,
        ]),
      ) as tf.Tensor3D[];
    const [query, key, value] = byHead;
    const weights = tf.softmax(tf.mul(tf.matMul(query, key, false, true), 1 / Math.sqrt(size)));
    const mixed = tf.reshape(tf.matMul(weights, value), [count, heads, TOKENS, size]);
    const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [count * TOKENS, width]) as tf.Tensor2D;
    return this.#dense(joined, `${name}/out`);
  }

  #mlp(x: tf.Tensor2D, name: string): tf.Tensor2D {
    const hidden = this.#dense(x, `${name}/fc1`);
    // The sigmoid form of GELU: x sigmoid(1.702 x).
    const active = tf.mul(hidden, tf.sigmoid(tf.mul(hidden, 1.702)));
    return this.#dense(active as tf.Tensor2D, `${name}/fc2`);
  }

  dispose(): void {
    for (const variable of this.#encoder.values()) {
      variable.dispose();
    }
    for (const task of [...this.#heads.keys()]) {
      this.removeHead(task);
    }
  }
}
