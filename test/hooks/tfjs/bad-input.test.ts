import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach, sharedWeights } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { writeFingerprint } from '../../../src/fingerprint/index.js';
import type { GuardConfigInput } from '../../../src/guard/index.js';
import { makeReference, type Reference } from '../../../src/reference/index.js';
import { MergeguardError } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { fingerprintOf } from '../../guard/fingerprint-sample.js';
import { EVERY_STEP, referencesFor, SmallModel } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
let references: Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights);
  return () => model.dispose();
});

/** The message of the MergeguardError that attaching ends with; it leaves nothing behind. */
async function refusal(changes: Partial<AttachOptions>): Promise<string> {
  const optimizer = tf.train.sgd(0.1);
  const before = tf.memory().numTensors;
  const attaching = attach(optimizer, { weights: model.weights, references, config: EVERY_STEP, ...changes });
  const error = await attaching.then(
    () => null,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(MergeguardError);
  expect(tf.memory().numTensors, 'tensors left behind').toBe(before);
  expect(Object.hasOwn(optimizer, 'applyGradients'), 'the optimiser is still wrapped').toBe(false);
  return error.message;
}

describe('references', () => {
  it('from another base', async () => {
    const other = new SmallModel(2);
    const message = await refusal({ references: await referencesFor(other.weights) });
    expect(message).toMatch(
      /reference "one" was made from another base \([0-9a-f]{12} there, [0-9a-f]{12} here\)/,
    );
  });

  it('missing tensors, extra tensors and shapes that differ, all at once', async () => {
    const base = new Map(await sharedWeights(model.weights));
    base.delete('hidden.bias');
    base.set('hidden.weight', { shape: [12, 5], data: new Float32Array(60) });
    base.set('extra.weight', { shape: [2, 2], data: new Float32Array(4) });
    const message = await refusal({ references: [makeReference({ name: 'odd', base, model: base })] });
    expect(message).toContain('reference "odd"');
    expect(message).toContain('hidden.bias is [12] here, missing there');
    expect(message).toContain('extra.weight is [2, 2] there, missing here');
    expect(message).toContain('hidden.weight is [12, 5] there, [12, 6] here');
  });

  it('two of one name', async () => {
    const twice = [...references, ...(await referencesFor(model.weights, ['two']))];
    expect(await refusal({ references: twice })).toContain('two references are named "two"');
  });

  it('a file that is not there, or is none', async () => {
    expect(await refusal({ references: ['nowhere.safetensors'] })).toContain('nowhere.safetensors');
    expect(await refusal({ references: [join(import.meta.dirname, 'budget.test.ts')] })).toContain(
      'budget.test.ts',
    );
  });
});

describe('weights', () => {
  it('nothing shared', async () => {
    const message = await refusal({ heads: ['hidden', 'head'] });
    expect(message).toContain('no tensor to share');
    expect(message).toContain('hidden.weight: task head');
  });

  it('everything frozen', async () => {
    const weights = { 'hidden/kernel': tf.variable(tf.ones([2, 2]), false) };
    expect(await refusal({ weights, references: [] })).toContain(
      'every shared tensor of the live model is frozen',
    );
  });

  it('two of one canonical name', async () => {
    const weights = { ...model.weights, 'hidden.weight': model.hidden };
    expect(await refusal({ weights })).toContain('are both "hidden.weight"');
  });
});

describe('the calibration batch', () => {
  const batch = () => model.calibration;
  const nothing = () => tf.zeros([0, 6]);

  it.each<[string, () => AttachOptions['calibration'], string]>([
    [
      'fewer labels than inputs',
      () => ({ ...batch(), labels: [0, 1] }),
      'the calibration batch has 32 inputs and 2 labels; give one label an input',
    ],
    ['no samples', () => ({ ...batch(), inputs: nothing(), labels: [] }), 'has 0 inputs and 0 labels'],
    [
      'labels outside of the classes',
      () => ({ ...batch(), labels: model.labels.map((label, i) => (i === 5 ? 3 : i === 7 ? -1 : label)) }),
      'sample 5 has class 3, the model scores 0..2\n  - sample 7 has class -1',
    ],
    [
      'a label that is no whole number',
      () => ({ ...batch(), labels: [...model.labels].map((label, i) => (i === 3 ? 0.5 : label)) }),
      'a label 0.5; labels are class numbers from 0',
    ],
    [
      'one-hot labels of other classes',
      () => ({ ...batch(), labels: tf.oneHot(tf.tensor1d(model.labels, 'int32'), 5) }),
      'one-hot labels have 5 classes, the model scores 3',
    ],
    [
      'labels of three axes',
      () => ({ ...batch(), labels: tf.zeros([32, 1, 1]) }),
      'are [32, 1, 1], but must be',
    ],
    [
      'no predict for a model that is no LayersModel',
      () => ({ inputs: model.inputs, labels: model.labels }),
      'needs `predict`',
    ],
    [
      'a predict that throws',
      () => ({ ...batch(), inputs: tf.zeros([32, 7]) }),
      'the model can not predict the calibration batch:',
    ],
    [
      'a predict that gives one score a sample',
      () => ({ ...batch(), predict: (inputs) => tf.sum(inputs, 1, true) }),
      'are [32, 1], but must be scores [32, classes] of at least 2 classes',
    ],
    [
      'a predict that gives no tensor',
      () => ({ ...batch(), predict: () => [] as unknown as tf.Tensor }),
      'but must be scores [32, classes]',
    ],
    [
      'an activation that throws',
      () => ({ ...batch(), activation: (inputs) => tf.reshape(inputs, [7]) }),
      'the activations of the calibration batch can not be taken:',
    ],
    [
      'an activation that has no row a sample',
      () => ({ ...batch(), activation: (inputs) => tf.mean(inputs, 0) }),
      'are [6], but must be [32, ...], one row a sample',
    ],
    [
      'an activation of other samples',
      () => ({ ...batch(), activation: (inputs) => tf.slice(inputs, 0, 8) }),
      'are [8, 6], but must be [32, ...]',
    ],
    [
      'an activation that gives no tensor',
      () => ({ ...batch(), activation: () => [] as unknown as tf.Tensor }),
      'but must be [32, ...]',
    ],
    [
      'a layer without `activation` for a model that is no LayersModel',
      () => ({ ...batch(), activation: undefined, layer: 'hidden' }),
      'the layer "hidden", but the model is no LayersModel; give `activation`',
    ],
  ])('%s', async (_, calibration, expected) => {
    // What the case itself makes is not what attaching leaves behind.
    const given = calibration();
    expect(await refusal({ calibration: given })).toContain(expected);
  });

  it('a layer that the model does not have, with those that it has', async () => {
    const weights = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'hidden', inputShape: [6], units: 12 }),
        tf.layers.dense({ name: 'head', units: 3 }),
      ],
    });
    const calibration = { inputs: model.inputs, labels: model.labels, layer: 'hiden' };
    expect(await refusal({ weights, references: [], calibration })).toBe(
      'the layer "hiden" of the calibration batch is not in the model; there are hidden, head',
    );
    weights.dispose();
  });

  it('none, where gradients are to be taken on it', async () => {
    const config: GuardConfigInput = { ...EVERY_STEP, gradient: { kind: 'calibration' } };
    expect(await refusal({ config })).toBe(
      'gradient.kind is "calibration", but no calibration batch of the live task was given; give a calibration batch, or set gradient.kind to ema',
    );
    const off = { ...config, functional: { enabled: false } };
    expect(await refusal({ config: off, calibration: batch() })).toContain(
      'but it is switched off (functional.enabled)',
    );
  });
});

describe('configuration and fingerprint', () => {
  it('an unknown option, with the nearest one', async () => {
    const config = { ...EVERY_STEP, tap: { powerIteration: 2 } } as GuardConfigInput;
    const message = await refusal({ config });
    expect(message).toContain('powerIteration');
    expect(message).toMatch(/powerIterations/);
  });

  it('a configuration file that is not there', async () => {
    expect(await refusal({ config: 'nowhere.yaml' })).toContain("can't read the configuration nowhere.yaml");
  });

  it('a fingerprint that is not there, or needs metrics that are not streamed', async () => {
    expect(await refusal({ config: { fingerprint: 'nowhere' } })).toContain(
      'no fingerprint is called "nowhere"',
    );
    const folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
    try {
      const path = join(folder, 'activations.json');
      await writeFingerprint(path, fingerprintOf(['ties'], 'activation_l2_distance'));
      const message = await refusal({ config: { fingerprint: path } });
      expect(message).toContain('activation_l2_distance');
      const scored = join(folder, 'sound.json');
      await writeFingerprint(scored, fingerprintOf(['ties']));
      expect(await refusal({ config: { fingerprint: scored, methods: ['dare'] } })).toContain('dare');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('a guard that does not start', async () => {
    const guard = () => Promise.reject(new MergeguardError('no server there'));
    expect(await refusal({ guard, calibration: model.calibration })).toBe('no server there');
  });
});
