/**
 * A training loop of your own, guarded: the lines between the rulers are all that mergeguard adds.
 * Run it with `npx tsx examples/custom-loop.ts`; it makes a small base and a reference first.
 */
import * as tf from '@tensorflow/tfjs';
import { attach, makeReference, openBackend, sharedWeights } from 'mergeguard';

await openBackend('auto');

// Two small tasks over the same 16 inputs: which of two halves is larger (reference), which of two thirds (live).
const random = (seed: number, rows: number) =>
  tf.randomNormal([rows, 16], 0, 1, 'float32', seed) as tf.Tensor2D;
const halves = (x: tf.Tensor2D) =>
  tf.tidy(() =>
    tf.cast(
      tf.greater(tf.sum(tf.slice(x, [0, 0], [-1, 8]), 1), tf.sum(tf.slice(x, [0, 8], [-1, 8]), 1)),
      'int32',
    ),
  );
const thirds = (x: tf.Tensor2D) =>
  tf.tidy(() =>
    tf.cast(
      tf.greater(tf.sum(tf.slice(x, [0, 0], [-1, 5]), 1), tf.sum(tf.slice(x, [0, 5], [-1, 5]), 1)),
      'int32',
    ),
  );

const hidden = tf.variable(tf.randomNormal([16, 32], 0, 0.25, 'float32', 1));
const head = tf.variable(tf.randomNormal([32, 2], 0, 0.1, 'float32', 2));
const weights = { 'hidden/kernel': hidden, 'head/kernel': head };
const predict = (x: tf.Tensor) =>
  tf.matMul(tf.relu(tf.matMul(x as tf.Tensor2D, hidden as tf.Tensor2D)), head as tf.Tensor2D);
const loss = (x: tf.Tensor2D, labels: tf.Tensor) =>
  tf.losses.softmaxCrossEntropy(tf.oneHot(labels, 2), predict(x)) as tf.Scalar;

// A base, and a reference fine-tuned from it. Yours come from files: `references: ['mnist.safetensors']`.
const base = await sharedWeights(weights);
const x = random(3, 512);
const before = tf.train.adam(0.01);
for (let step = 0; step < 100; step++) {
  before.minimize(() => loss(x, halves(x)));
}
const reference = makeReference({ name: 'halves', base, model: await sharedWeights(weights) });
tf.tidy(() => hidden.assign(tf.transpose(tf.tensor(base.get('hidden.weight')!.data, [32, 16]))));

// ---------------------------------------------------------------------------------------------------------------
const optimizer = tf.train.adam(0.01);
const calibration = { inputs: random(4, 128), labels: thirds(random(4, 128)), predict };
const guard = await attach(optimizer, { weights, references: [reference], calibration });
guard.events.subscribe(
  (event) =>
    event.event === 'tick' && console.log(event.step, event.pairs[0].metrics.task_vector_cosine_similarity),
);
// ---------------------------------------------------------------------------------------------------------------

for (let step = 0; step < 300; step++) {
  optimizer.minimize(() => loss(x, thirds(x)));
  await tf.nextFrame();
}
await guard.detach('done');
