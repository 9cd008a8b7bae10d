/**
 * `LayersModel.fit` under guard: one callback. Run it with `npx tsx examples/layers-model.ts`.
 */
import * as tf from '@tensorflow/tfjs';
import { guardCallback, makeReference, openBackend, sharedWeights } from 'mergeguard';

await openBackend('auto');

/** Name the layers: a reference's tensors are matched by name. */
function build(): tf.LayersModel {
  const initial = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        name: 'encoder',
        inputShape: [16],
        units: 32,
        activation: 'relu',
        kernelInitializer: initial(1),
      }),
      tf.layers.dense({ name: 'head', units: 2, activation: 'softmax', kernelInitializer: initial(2) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.01), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

const inputs = tf.randomNormal([512, 16], 0, 1, 'float32', 3);
const task = (from: number, to: number) =>
  tf.tidy(() =>
    tf.oneHot(tf.cast(tf.greater(tf.sum(tf.slice(inputs, [0, from], [-1, to - from]), 1), 0), 'int32'), 2),
  );

// A reference fine-tuned from the same base. Yours come from files: `references: ['mnist.safetensors']`.
const other = build();
const base = await sharedWeights(other);
await other.fit(inputs, task(0, 8), { epochs: 5, verbose: 0 });
const reference = makeReference({ name: 'left-half', base, model: await sharedWeights(other) });

const model = build();
const labels = task(4, 12);
await model.fit(inputs, labels, {
  epochs: 20,
  verbose: 0,
  callbacks: guardCallback({
    references: [reference],
    calibration: { inputs, labels },
    onAttached: (guard) => {
      guard.events.subscribe((event) => {
        if (event.event === 'tick') {
          const cosine = event.pairs[0].metrics.task_vector_cosine_similarity?.toFixed(3);
          const probe =
            event.selfProbe && (event.selfProbe.scaledAccuracy / event.selfProbe.accuracy).toFixed(3);
          console.log(
            `step ${event.step}: cosine with ${event.pairs[0].reference} ${cosine}, self-probe ${probe ?? '-'}`,
          );
        }
      });
    },
  }),
});
