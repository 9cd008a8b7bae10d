import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { Random } from '../../src/tensors/index.js';
import { imageTensor } from '../../src/zoo/image-tensor.js';
import { moved, PIXELS, SIDE } from '../../src/zoo/task.js';
import { evaluate, type Recipe, type StepReport, train } from '../../src/zoo/train.js';
import { VisionTransformer } from '../../src/zoo/vision-transformer.js';
import { barTask } from './small-tasks.js';

const SMALL = { width: 16, depth: 1, heads: 2 };
const task = barTask('bars', 3);
const other = barTask('lines', 2);

beforeAll(async () => {
  await openBackend('wasm');
});

function makeModel(): VisionTransformer {
  const model = new VisionTransformer(SMALL, 1);
  model.addHead('bars', 3, 1);
  model.addHead('lines', 2, 1);
  return model;
}

async function trained(seed: number, steps = 6): Promise<Uint8Array[]> {
  const model = makeModel();
  await train(model, [task, other], { steps, batch: 8, learningRate: 1e-3 }, { seed });
  const variables = [...model.encoder().values(), ...model.head('bars').values()];
  const bits = variables.map((variable) => new Uint8Array(variable.dataSync().slice().buffer));
  model.dispose();
  return bits;
}

describe('train', () => {
  it('gives bit-identical weights for the same seed, others for another', async () => {
    const first = await trained(1);
    expect(await trained(1)).toEqual(first);
    expect(await trained(2)).not.toEqual(first);
  });

  it('lowers the loss and ends above chance on images not seen before', async () => {
    const model = makeModel();
    const before = await evaluate(model, task);
    const reports: StepReport[] = [];
    const recipe = { steps: 40, batch: 16, learningRate: 3e-3 };
    await train(model, [task], recipe, { seed: 0, onStep: (report) => reports.push(report) });
    const after = await evaluate(model, task);
    expect(after.loss).toBeLessThan(0.5 * before.loss);
    expect(after.accuracy).toBeGreaterThan(0.8);
    expect(reports.map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const read = reports.filter(({ loss }) => loss !== null);
    expect(read.map(({ step }) => step)).toEqual([10, 20, 30, 40]);
    model.dispose();
  });

  it('takes the tasks in turn and leaves other heads alone', async () => {
    const model = makeModel();
    const bits = () => [...model.head('lines').values()].map((variable) => [...variable.dataSync()]);
    const untouched = bits();
    await train(model, [task], { steps: 2, batch: 4, learningRate: 1e-2 }, { seed: 0 });
    expect(bits()).toEqual(untouched);
    await train(model, [task, other], { steps: 1, batch: 4, learningRate: 1e-2 }, { seed: 0 });
    expect(bits()).toEqual(untouched);
    await train(model, [task, other], { steps: 2, batch: 4, learningRate: 1e-2 }, { seed: 0 });
    expect(bits()).not.toEqual(untouched);
    model.dispose();
  });

  /** Of every step. */
  async function stepSizes(schedule?: Recipe['schedule']): Promise<number[]> {
    const model = makeModel();
    const optimizer = tf.train.sgd(1);
    const rates: number[] = [];
    const onStep = () => rates.push((optimizer as unknown as { learningRate: number }).learningRate);
    const recipe = { steps: 60, batch: 1, learningRate: 0.03, schedule };
    await train(model, [other], recipe, { seed: 0, optimizer, onStep });
    optimizer.dispose();
    model.dispose();
    return rates;
  }

  it('warms the step size up over the first twentieth of the steps', async () => {
    const rates = await stepSizes();
    expect(rates.slice(0, 2)).toEqual([expect.closeTo(0.01), expect.closeTo(0.02)]);
    expect(rates.slice(2).every((rate) => rate === 0.03)).toBe(true);
  });

  it('lets the step size fall in a straight line where it is asked to', async () => {
    const rates = await stepSizes('linear');
    expect(rates.slice(0, 4)).toEqual([0.01, 0.02, 0.03, 0.03].map((rate) => expect.closeTo(rate)));
    const falls = rates.slice(3).map((rate, i, all) => (all[i - 1] ?? rate + 0.03 / 57) - rate);
    expect(falls).toEqual(falls.map(() => expect.closeTo(0.03 / 57, 8)));
    expect(rates[59]).toBeCloseTo(0.03 / 57, 8);
  });

  it('ends with what onStep throws', async () => {
    const model = makeModel();
    let steps = 0;
    const training = train(
      model,
      [task],
      { steps: 50, batch: 4, learningRate: 1e-3 },
      {
        seed: 0,
        onStep: ({ step }) => {
          steps = step;
          if (step === 2) {
            throw new Error('enough');
          }
        },
      },
    );
    await expect(training).rejects.toThrow('enough');
    expect(steps).toBe(2);
    model.dispose();
  });

  it('keeps no tensors', async () => {
    const model = makeModel();
    const before = tf.memory().numTensors;
    await train(model, [task], { steps: 3, batch: 64, learningRate: 1e-3 }, { seed: 0 });
    await evaluate(model, task);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
});

describe('evaluate', () => {
  it('counts what the logits say, also over a last batch that is not full', async () => {
    const model = makeModel();
    await train(model, [task], { steps: 8, batch: 8, learningRate: 2e-3 }, { seed: 0 });
    const logits = tf.tidy(() => model.logits(imageTensor(task.test), 'bars').arraySync());
    let hits = 0;
    let loss = 0;
    logits.forEach((row, i) => {
      const label = task.test.labels[i];
      hits += row.indexOf(Math.max(...row)) === label ? 1 : 0;
      loss += Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label];
    });
    for (const batch of [5, 12, 200]) {
      const evaluation = await evaluate(model, task, task.test, batch);
      expect(evaluation.samples).toBe(12);
      expect(evaluation.accuracy).toBe(hits / 12);
      expect(evaluation.loss).toBeCloseTo(loss / 12, 5);
    }
    model.dispose();
  });
});

describe('a recipe', () => {
  it('with head steps trains the head first, the encoder standing still', async () => {
    const model = makeModel();
    const before = [...model.encoder().values()].map((variable) => [...variable.dataSync()]);
    const first = await evaluate(model, task);
    const recipe: Recipe = { steps: 0, batch: 16, learningRate: 1e-3, headSteps: 60 };
    await train(model, [task], recipe, { seed: 0 });
    expect([...model.encoder().values()].map((variable) => [...variable.dataSync()])).toEqual(before);
    const after = await evaluate(model, task);
    expect(after.loss).toBeLessThan(0.9 * first.loss);
    model.dispose();
  });

  it('leaves no tensor behind, and gives the same weights for the same seed', async () => {
    const recipe: Recipe = { steps: 3, batch: 8, learningRate: 1e-3, headSteps: 5, shift: 2 };
    const weights = async () => {
      const model = makeModel();
      await train(model, [task], recipe, { seed: 4 });
      const values = [...model.encoder().values(), ...model.head('bars').values()];
      const read = values.map((variable) => [...variable.dataSync()]);
      model.dispose();
      return read;
    };
    const first = await weights();
    const { numTensors } = tf.memory();
    expect(await weights()).toEqual(first);
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});

describe('moved', () => {
  it('moves every image as a whole, by as many pixels as it may, and leaves the rest dark', () => {
    const images = new Uint8Array(60 * PIXELS);
    for (let image = 0; image < 60; image++) {
      images[image * PIXELS + 10 * SIDE + 14] = 200;
    }
    const { images: out, labels } = moved(
      { images, labels: new Uint8Array(60) },
      2,
      new Random('moved test'),
    );
    expect(labels).toHaveLength(60);
    const places = new Set<string>();
    for (let image = 0; image < 60; image++) {
      const lit = [...out.subarray(image * PIXELS, (image + 1) * PIXELS).entries()].filter(([, v]) => v > 0);
      expect(lit.map(([, value]) => value)).toEqual([200]);
      const at = lit[0]![0];
      places.add(`${(at % SIDE) - 14},${Math.floor(at / SIDE) - 10}`);
    }
    const moves = [...places].flatMap((place) => place.split(',').map(Number));
    expect(Math.min(...moves)).toBe(-2);
    expect(Math.max(...moves)).toBe(2);
    expect(places.size).toBeGreaterThan(15);
  });

  it('loses what leaves the image', () => {
    const images = new Uint8Array(200 * PIXELS).fill(9);
    const { images: out } = moved({ images, labels: new Uint8Array(200) }, 1, new Random('edge'));
    const counts = new Set(
      Array.from(
        { length: 200 },
        (_, i) => out.subarray(i * PIXELS, (i + 1) * PIXELS).filter((v) => v === 9).length,
      ),
    );
    expect([...counts].sort((a, b) => a - b)).toEqual([27 * 27, 27 * 28, 28 * 28]);
  });
});
