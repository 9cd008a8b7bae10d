import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach, coverageOf, layoutOf, sharedWeights } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { makeReference } from '../../../src/reference/index.js';
import { baseIdentity, permute } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, eventLog } from './guarded-loop.js';
import { LoraModel, referencesOf, SCALE } from './lora-model.js';

beforeAll(() => openBackend(chosen));
beforeEach(() => {
  tf.engine().startScope();
  return () => {
    tf.engine().endScope();
    tf.disposeVariables();
  };
});

const frozen = (...shape: number[]) => tf.variable(tf.ones(shape), false);
const trained = (...shape: number[]) => tf.variable(tf.ones(shape));
const config = EVERY_STEP;

function attaching(weights: Record<string, tf.Variable>, more: object = {}) {
  return attach(tf.train.sgd(0.1), { weights, references: [], config, ...more });
}

describe('the adapters of a live model', () => {
  it.each([
    ['in tfjs', 'encoder/q/kernel', 'encoder/q/lora_A', 'encoder/q/lora_B'],
    ['as PEFT saves them', 'encoder.q.weight', 'encoder.q.lora_A.weight', 'encoder.q.lora_B.weight'],
    [
      "as a PEFT model's own",
      'base_model.model.encoder.q.base_layer.weight',
      'base_model.model.encoder.q.lora_A.default.weight',
      'base_model.model.encoder.q.lora_B.default.weight',
    ],
  ])('names %s', (_, kernel, a, b) => {
    const shape = kernel.endsWith('kernel') ? [5, 7] : [7, 5];
    const weights = { [a]: trained(2, 5), [kernel]: frozen(...shape), [b]: trained(7, 2) };
    const { shared, excluded } = layoutOf(weights, [], new Set(), 3);
    expect(excluded).toEqual([]);
    expect(shared).toHaveLength(1);
    expect(shared[0]).toMatchObject({ name: 'encoder.q.weight', shape: [7, 5] });
    expect(shared[0].factors).toMatchObject({ rank: 2, scale: 3 });
    expect(shared[0].factors!.left.variable).toBe(weights[b]);
    expect(shared[0].factors!.right.variable).toBe(weights[a]);
  });

  it('an embedding, whose factors make its transpose, and factors that are kernels of layers', () => {
    const weights = {
      'tokens/embeddings': frozen(11, 4),
      'tokens.lora_embedding_A.default': trained(2, 11),
      'tokens.lora_embedding_B.default': trained(4, 2),
      'up/kernel': frozen(5, 7),
      'up/lora_A/kernel': trained(5, 3),
      'up/lora_B/kernel': trained(3, 7),
    };
    const [tokens, up] = layoutOf(weights).shared;
    const left = { variable: weights['tokens.lora_embedding_A.default'], transposed: true };
    expect(tokens.factors).toMatchObject({ left, rank: 2 });
    expect(up.factors).toMatchObject({ rank: 3, right: { transposed: true }, left: { transposed: true } });
  });

  it('cover their matrices; matrices that are frozen without one are not watched', async () => {
    const weights = {
      'a/kernel': frozen(3, 4),
      'a/lora_A': trained(1, 3),
      'a/lora_B': trained(4, 1),
      'b/kernel': frozen(3, 4),
      'head/kernel': frozen(4, 2),
      'head/lora_A': trained(1, 4),
      'head/lora_B': trained(2, 1),
      'head/lora_magnitude_vector': trained(2),
      'a/lora_B/bias': trained(4),
    };
    const reasons = Object.fromEntries(
      coverageOf(layoutOf(weights)).excluded.map(({ name, reason }) => [name, reason]),
    );
    expect(reasons).toEqual({
      'b.weight': 'frozen',
      'head.weight': 'task head',
      'head.lora_A': 'task head',
      'head.lora_B': 'task head',
      'head.lora_magnitude_vector': 'task head',
      'a.lora_B.bias': 'what an adapter adds to a bias (lora_bias), which is not watched',
    });
    const guard = await attaching(weights);
    const log = eventLog(guard);
    await guard.detach();
    expect(log.of('hello')[0].coverage).toMatchObject({ matched: 1, parameters: 0.5 });
  });

  it('of what is called like a head, and all references hold', () => {
    const weights = {
      'lm_head/kernel': frozen(3, 4),
      'lm_head/lora_A': trained(1, 3),
      'lm_head/lora_B': trained(4, 1),
    };
    const { shared, excluded } = layoutOf(weights, undefined, new Set(['lm_head.weight']));
    expect(shared[0].factors).toMatchObject({ rank: 1, scale: 1 });
    expect(excluded).toEqual([]);
  });

  it("leave the base's identity as it is: references made without them fit", async () => {
    const model = new LoraModel();
    const twin = await sharedWeights(model.dense().weights);
    const reference = makeReference({ name: 'dense', base: twin, model: twin });
    const guard = await attaching(model.weights, { references: [reference], lora: { scale: SCALE } });
    await guard.detach();
    model.dispose();
  });

  it('are in the weights that references are made of, with their scale', async () => {
    const A = tf.variable(tf.tensor2d([1, 2, 3], [1, 3]));
    const B = tf.variable(tf.tensor2d([10, 20], [2, 1]));
    const update = [10, 20, 30, 20, 40, 60];
    const kernel = tf.variable(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]), false);
    const asTfjs = await sharedWeights({ 'q/kernel': kernel, 'q/lora_A': A, 'q/lora_B': B });
    expect(asTfjs.get('q.weight')).toMatchObject({ shape: [2, 3] });
    expect([...asTfjs.get('q.weight')!.data]).toEqual([1, 3, 5, 2, 4, 6].map((v, i) => v + update[i]));
    const weight = tf.variable(tf.zeros([2, 3]), false);
    const named = { 'q.weight': weight, 'q.lora_A.weight': A, 'q.lora_B.weight': B };
    const asPeft = await sharedWeights(named, undefined, { lora: { scale: 0.5 } });
    expect([...asPeft.get('q.weight')!.data]).toEqual(update.map((v) => v / 2));
    // Before training B is zero: bit for bit the base, minus zeros included.
    B.assign(tf.zeros([2, 1]));
    weight.assign(tf.tensor2d([-0, 1, -1, 0, 2, -2], [2, 3]));
    const untrained = await sharedWeights(named);
    expect(baseIdentity(untrained)).toBe(baseIdentity(await sharedWeights({ 'q.weight': weight })));
  });

  it('of a lower rank than the subspaces of a reference: hello says what that rules out', async () => {
    const model = new LoraModel();
    const references = referencesOf(model.base(), 10);
    const guard = await attaching(model.weights, { references, lora: { scale: SCALE } });
    const log = eventLog(guard);
    await guard.detach();
    const [full, adapter] = log.of('hello')[0].references;
    expect(full.limits.join()).toContain(
      'of 2 matrices have another width than the live ones with tap.k = 10 (encoder.q.weight: 10 there, 4 here): subspace metrics are null; set tap.k = 3',
    );
    expect(adapter.limits.join()).toContain(
      '(encoder.q.weight: 2 there, 4 here): subspace metrics are null; set tap.k = 2',
    );
    model.dispose();
  });
});

describe('adapters that do not fit', () => {
  it('are all named at once', async () => {
    const weights = {
      'one/kernel': frozen(3, 4),
      'one/lora_A': trained(2, 3),
      'two/kernel': frozen(3, 4),
      'two/lora_A': trained(2, 4),
      'two/lora_B': trained(3, 2),
      'rank.weight': frozen(4, 3),
      'rank.lora_A.weight': trained(2, 3),
      'rank.lora_B.weight': trained(4, 1),
      'encoder/q/kernel': frozen(3, 4),
      'encodr/q/lora_A': trained(2, 3),
      'encodr/q/lora_B': trained(4, 2),
      'conv/kernel': frozen(3, 3, 2, 5),
      'conv/lora_A': trained(2, 2),
      'conv/lora_B': trained(5, 2),
      'full/kernel': trained(3, 4),
      'full/lora_A': trained(2, 3),
      'full/lora_B': trained(4, 2),
      'dora.weight': frozen(4, 3),
      'dora.lora_A.weight': trained(2, 3),
      'dora.lora_B.weight': trained(4, 2),
      'dora.lora_magnitude_vector.weight': trained(4),
      'both.weight': frozen(4, 3),
      'both.lora_A.x.weight': trained(2, 3),
      'both.lora_A.y.weight': trained(2, 3),
      'both.lora_B.x.weight': trained(4, 2),
    };
    const message = await attaching(weights).then(
      () => '',
      (error: Error) => error.message,
    );
    const lines = message.split('\n');
    for (const line of [
      'the LoRA adapters of the live model do not fit:',
      '"one/lora_A" is there without the lora_B that goes with it',
      '"two/lora_A" is [2, 4] and "two/lora_B" [3, 2]; the adapter of two.weight [4, 3] has A [rank, 3] and B [4, rank]',
      '"rank.lora_A.weight" is [2, 3] and "rank.lora_B.weight" [4, 1]; the adapter of rank.weight [4, 3] has A [rank, 3] and B [4, rank]',
      '"encodr/q/lora_A" and "encodr/q/lora_B" adapt encodr.q.weight, which is not among the weights; nearest there: encoder.q.weight',
      'conv.weight is [5, 2, 3, 3]; only matrices can have an adapter that is watched: leave "conv/lora_A" and "conv/lora_B" out',
      'full.weight is trainable and has the factors "full/lora_A" and "full/lora_B": full fine-tuning and an adapter on one matrix are not watched; freeze it (`tf.variable(value, false)`), or leave the factors out',
      '"dora.lora_magnitude_vector.weight" is no part of plain LoRA',
      '"both.lora_A.x.weight" and "both.lora_A.y.weight" are both for both.weight; keep one adapter',
    ]) {
      expect(
        lines.filter((found) => found.includes(line)),
        `${line}\n${message}`,
      ).toHaveLength(1);
    }
    expect(lines).toHaveLength(9);
  });

  it('one variable as B of two matrices, factors of another type, a matrix that is left out', async () => {
    const b = trained(4, 2);
    const whole = tf.variable(tf.ones([2, 3], 'int32'));
    const shared = frozen(4, 3);
    const weights = {
      'a.weight': shared,
      'a.lora_A': trained(2, 3),
      'a.lora_B': b,
      'b.weight': frozen(4, 3),
      'b.lora_A': whole,
      'b.lora_B': b,
      'c.weight': shared,
      'c.lora_A': trained(2, 3),
      'c.lora_B': trained(4, 2),
    };
    const attached = attaching(weights);
    await expect(attached).rejects.toThrow('a.weight and b.weight have one variable for B');
    await expect(attached).rejects.toThrow('"b.lora_A" is int32; factors must be float32');
    await expect(attached).rejects.toThrow(
      'adapt c.weight, which is left out (tied to a.weight, counted once)',
    );
  });

  it('a scale that is none, or without adapters', async () => {
    const weights = { 'a/kernel': frozen(3, 4), 'a/lora_A': trained(2, 3), 'a/lora_B': trained(4, 2) };
    for (const scale of [0, -1, Number.NaN]) {
      await expect(attaching(weights, { lora: { scale } })).rejects.toThrow(
        `lora.scale is ${scale}, but must be a number above 0`,
      );
    }
    await expect(attaching({ 'a/kernel': trained(3, 4) }, { lora: { scale: 1 } })).rejects.toThrow(
      'no weight is the factor of a LoRA adapter',
    );
  });

  it('a base that the frozen matrix is not', async () => {
    const weights = { 'a/kernel': frozen(3, 4), 'a/lora_A': trained(2, 3), 'a/lora_B': trained(4, 2) };
    const data = new Float32Array(12).fill(1);
    const base = (values: Float32Array) => new Map([['a.weight', { shape: [4, 3], data: values }]]);
    await (await attaching(weights, { base: base(permute(data, [4, 3], [1, 0])) })).detach();
    data[5] = 2;
    await expect(attaching(weights, { base: base(data) })).rejects.toThrow('a.weight: 1 of 12 values differ');
  });

  it('gradients on calibration samples', async () => {
    const model = new LoraModel();
    const { weights, calibration } = model;
    await expect(
      attaching(weights, { calibration, config: { ...config, gradient: { kind: 'calibration' } } }),
    ).rejects.toThrow(/gradient\.kind is "calibration", but 2 watched matrices have LoRA adapters/);
    model.dispose();
  });
});
