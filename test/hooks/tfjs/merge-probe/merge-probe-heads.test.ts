import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import type { NamedTensors } from '../../../../src/tensors/index.js';
import { chosen } from '../../../backend/chosen.js';
import { eventLog, SmallModel, train } from '../guarded-loop.js';
import {
  calibrationOf,
  heldOut,
  numbersByHand,
  PROBED,
  predictWith,
  probedByHand,
  probedReferences,
  weightsOf,
} from '../probed-loop.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
const samples = heldOut(7, 50);
let calibration: ReturnType<typeof calibrationOf>;
beforeEach(() => {
  model = new SmallModel();
  calibration = calibrationOf(model, samples);
  return () => {
    model.dispose();
    calibration.inputs.dispose();
  };
});

async function trained(references: readonly Reference[], batch: AttachOptions['calibration'], steps = 8) {
  const optimizer = tf.train.adam(0.02);
  const weights = model.weights;
  const base = weightsOf(model);
  const guard = await attach(optimizer, { weights, references, calibration: batch, config: PROBED });
  const log = eventLog(guard);
  const limits = log
    .of('hello')[0]
    .references.map(({ limits: all }) => all.filter((text) => text.includes('probe')));
  await train(model, optimizer, steps);
  await guard.detach();
  optimizer.dispose();
  return { probe: log.of('probe').at(-1), limits, base, live: weightsOf(model), titles: log.titles };
}

/** The same reference with this as its head. */
function withHead(reference: Reference, head: NamedTensors | null): Reference {
  return { ...reference, head };
}

describe('the head that a reference is asked by', () => {
  it.each([
    ['its own by `predictWith`, whatever its shape', { classes: 5 }, true],
    ['its own by `predictWith` where the live model’s would fit too', { classes: 3 }, true],
    ['its own in the place of the live model’s', { classes: 3 }, false],
    ['the live model’s where it has none', { classes: null }, false],
    ['the live model’s where it has none, `predictWith` or not', { classes: null }, true],
  ])('is %s', async (_, { classes }, isGiven) => {
    const references = await probedReferences(model, { names: ['one'], classes });
    const before = tf.memory().numTensors;
    const batch = { ...calibration, ...(isGiven && { predictWith: predictWith(model) }) };
    const { probe, limits, base, live, titles } = await trained(references, batch);
    const of = { live: samples, reference: heldOut(100, 40) };
    const expected = numbersByHand(probedByHand(live, base, references[0], 'weight_avg', of));
    expect(probe!.normalised).toBeCloseTo(expected.normalised, 12);
    expect(probe!.tasks!.reference.accuracy).toBeCloseTo(expected.tasks.reference.accuracy, 12);
    expect(probe!.tasks!.reference.loss).toBeCloseTo(expected.tasks.reference.loss, 4);
    expect(probe!.tasks!.reference.ownLoss).toBeCloseTo(expected.tasks.reference.ownLoss!, 4);
    expect(limits[0]).toEqual(classes === null ? ["no head: a merge probe asks it by the live model's"] : []);
    expect(titles).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('comes as tfjs would store it: kernels turned, everything else as it is', async () => {
    const [reference] = await probedReferences(model, { names: ['one'] });
    const values = (count: number) => Float32Array.from({ length: count }, (_, i) => i);
    const head = new Map([
      ['head.weight', { shape: [3, 12], data: values(36) }],
      ['head.bias', { shape: [3], data: values(3) }],
      ['head.conv.weight', { shape: [2, 3, 4, 5], data: values(120) }],
      ['head.scale', { shape: [2, 3], data: values(6) }],
    ]);
    const seen: Record<string, { shape: number[]; values: number[] }> = {};
    await trained([withHead(reference, head)], {
      ...calibration,
      predictWith: (inputs, tensors) => {
        for (const [name, tensor] of Object.entries(tensors)) {
          seen[name] = { shape: tensor.shape, values: [...tensor.dataSync()] };
        }
        return tf.matMul(model.activation(inputs) as tf.Tensor2D, tensors['head.weight'] as tf.Tensor2D);
      },
    });
    expect(Object.keys(seen)).toEqual([...head.keys()]);
    const [kernel, bias, conv, scale] = Object.values(seen);
    expect(kernel.shape).toEqual([12, 3]);
    expect(kernel.values.slice(0, 4)).toEqual([0, 12, 24, 1]);
    expect(bias.values).toEqual([0, 1, 2]);
    // [height, width, in, out]: the second value is the next output channel's.
    expect(conv.shape).toEqual([4, 5, 3, 2]);
    expect(conv.values.slice(0, 3)).toEqual([0, 60, 20]);
    expect(scale).toEqual({ shape: [2, 3], values: [0, 1, 2, 3, 4, 5] });
  });

  it.each([
    [
      'another head and nothing that says how to ask it',
      (reference: Reference) =>
        withHead(reference, new Map([['head.weight', { shape: [5, 12], data: new Float32Array(60) }]])),
      "its head does not fit the live model's (head.weight is [5, 12] there, [3, 12] here): it can't be merge-probed; give the calibration batch a `predictWith`",
    ],
    [
      'labels that the head does not know',
      (reference: Reference) => ({
        ...reference,
        calibration: { ...reference.calibration!, labels: new Int32Array(40).fill(3) },
      }),
      "a sample has class 3, and the head that it is asked by scores 0..2: it can't be merge-probed",
    ],
    [
      'samples of another shape',
      (reference: Reference) => ({
        ...reference,
        calibration: {
          images: { shape: [40, 3, 2], data: reference.calibration!.images.data },
          labels: reference.calibration!.labels,
        },
      }),
      'the calibration samples of reference "one" are [3, 2] each, those of the live task [6]: it can\'t be merge-probed',
    ],
    [
      'no samples',
      (reference: Reference) => ({ ...reference, calibration: null }),
      "no calibration samples: it can't be merge-probed, activation metrics are null",
    ],
  ])('a reference with %s is not probed, the other is, and hello says why', async (_, change, reason) => {
    const references = await probedReferences(model);
    const [one, two] = references;
    const before = tf.memory().numTensors;
    const { probe, limits, titles } = await trained([change(one), two], calibration);
    expect(limits).toEqual([[reason], []]);
    expect(probe).toMatchObject({ reference: 'two', step: 8 });
    expect(titles).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that can not be asked is an error before the first step, and leaves nothing behind', async () => {
    const references = await probedReferences(model);
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const attaching = attach(optimizer, {
      weights: model.weights,
      references,
      config: PROBED,
      calibration: {
        ...calibration,
        predictWith: () => {
          throw new Error('no such head');
        },
      },
    });
    await expect(attaching).rejects.toThrow(
      'the model can not be asked for the calibration samples of reference "one": no such head',
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});
