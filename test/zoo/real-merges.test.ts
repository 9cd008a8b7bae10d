import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import type { Reference } from '../../src/reference/index.js';
import { type NamedTensors, taskVector } from '../../src/tensors/index.js';
import { imageTensor } from '../../src/zoo/image-tensor.js';
import { referenceOf, setEncoder, setHead } from '../../src/zoo/pool.js';
import { realMerges } from '../../src/zoo/real-merges.js';
import type { Task } from '../../src/zoo/task.js';
import { train } from '../../src/zoo/train.js';
import { VisionTransformer } from '../../src/zoo/vision-transformer.js';
import { barSamples, barTask } from './small-tasks.js';

const SMALL = { width: 16, depth: 1, heads: 2 };
const task = (name: string, classes: number): Task => ({
  ...barTask(name, classes),
  test: barSamples(40, classes, name, 'test'),
});
const live = task('bars', 4);
const others = [task('lines', 3), task('poles', 2)];

let model: VisionTransformer;
let base: NamedTensors;
let tau: NamedTensors;
let head: NamedTensors;
const references: Reference[] = [];

beforeAll(async () => {
  await openBackend('wasm');
  model = new VisionTransformer(SMALL, 0);
  base = await sharedWeights(model.encoder());
  const recipe = { steps: 12, batch: 16, learningRate: 3e-3 };
  for (const each of [live, ...others]) {
    setEncoder(model, base);
    model.addHead(each.name, each.classes, 0);
    await train(model, [each], recipe, { seed: 0 });
    if (each === live) {
      tau = taskVector(base, await sharedWeights(model.encoder()));
      head = await sharedWeights(model.head(each.name), []);
    } else {
      references.push(await referenceOf(model, base, each, {}));
    }
    model.removeHead(each.name);
  }
});

/** Share of the first `count` test images that the model with these encoder weights gets right. */
function accuracy(weights: NamedTensors, of: Task, ownHead: NamedTensors, count: number): number {
  setEncoder(model, weights);
  setHead(model, of, ownHead);
  const scores = tf.tidy(() => model.logits(imageTensor(of.test), of.name).arraySync());
  model.removeHead(of.name);
  const hits = scores.slice(0, count).filter((row, i) => row.indexOf(Math.max(...row)) === of.test.labels[i]);
  return hits.length / count;
}

/** base + scale (the sum of the task vectors), tensor by tensor. */
function plus(scale: number, ...taus: NamedTensors[]): NamedTensors {
  return new Map(
    [...base].map(([name, { shape, data }]) => {
      const sum = data.map(
        (value, i) => value + scale * taus.reduce((s, each) => s + each.get(name)!.data[i], 0),
      );
      return [name, { shape, data: sum }];
    }),
  );
}

describe('realMerges', () => {
  it('agrees with merging and counting by hand', async () => {
    const done: [number, number][] = [];
    const merges = await realMerges(model, {
      base,
      live: { task: live, tau, head },
      references,
      tasks: others,
      methods: ['weight_avg', 'task_arithmetic@0.6'],
      samples: 30,
      onMerge: (...counts) => done.push(counts),
    });
    expect(done).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
      [4, 4],
    ]);
    const scales = { weight_avg: 0.5, 'task_arithmetic@0.6': 0.6 };
    const expected = references.flatMap((reference, i) =>
      Object.entries(scales).map(([method, scale]) => {
        const merged = plus(scale, tau, reference.tau);
        const own = reference.head as NamedTensors;
        const merge = {
          live: accuracy(merged, live, head, 30),
          reference: accuracy(merged, others[i], own, 30),
        };
        const liveAlone = accuracy(plus(1, tau), live, head, 30);
        const referenceAlone = accuracy(plus(1, reference.tau), others[i], own, 30);
        return {
          reference: reference.name,
          method,
          accuracy: merge,
          normalised: (merge.live / liveAlone + merge.reference / referenceAlone) / 2,
        };
      }),
    );
    expect(merges).toEqual(expected);
    // The models learnt something and merging costs something, or this would test little.
    expect(accuracy(plus(1, tau), live, head, 40)).toBeGreaterThan(0.5);
    expect(new Set(merges.map(({ normalised }) => normalised)).size).toBeGreaterThan(1);
  });

  it('knows the base where a method merges weights', async () => {
    const options = { base, live: { task: live, tau, head }, references, tasks: others, samples: 30 };
    const [first] = await realMerges(model, { ...options, methods: ['slerp@0'] });
    // at 0 the live model alone
    expect(first!.accuracy.live).toBe(accuracy(plus(1, tau), live, head, 30));
  });

  it('keeps no tensors', async () => {
    const options = { base, live: { task: live, tau, head }, references, tasks: others, methods: ['ties'] };
    await realMerges(model, options);
    const before = tf.memory().numTensors;
    await realMerges(model, options);
    expect(tf.memory().numTensors).toBe(before);
  });
});
