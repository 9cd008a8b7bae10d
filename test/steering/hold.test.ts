import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkTerm } from '../../src/steering/index.js';
import type { GradientTerm } from '../../src/steering/term.js';
import { bitsOf, contextOf, likeTensors, type Model, makeModel, valuesOf } from './model.js';

const STORED = [
  { name: 'up.weight', shape: [5, 4] },
  { name: 'norm.weight', shape: [7] },
  { name: 'up.bias', shape: [4] },
  { name: 'position', shape: [3, 4] },
  { name: 'text.position_embedding.weight', shape: [3, 4] },
];

let model: Model;

beforeAll(() => tf.setBackend('cpu'));
beforeEach(() => {
  model = makeModel(STORED);
});
afterEach(() => model.dispose());

function start(): GradientTerm {
  const { info, options } = checkTerm('hold', { strength: 1 });
  return info.start(options, contextOf(model)) as GradientTerm;
}

/** What the optimiser sees: random gradients and what the term adds. */
function steered(term: GradientTerm, strength: number): tf.NamedTensorMap {
  const gradients = likeTensors(model, 'gradients');
  const byName = Object.fromEntries(model.tensors.map(({ variable }, i) => [variable.name, gradients[i]]));
  const additions = tf.tidy(() => term.additions(byName, strength));
  const total = Object.fromEntries(
    Object.entries(byName).map(([name, gradient]) => {
      const addition = additions[name];
      return [name, addition === undefined ? gradient.clone() : tf.add(gradient, addition)];
    }),
  );
  tf.dispose([gradients, additions]);
  return total;
}

describe('hold', () => {
  it('leaves all but matrices bit for bit where they are, under Adam too, and trains the matrices', () => {
    const term = start();
    const before = bitsOf(model.tensors.map(({ variable }) => variable));
    const optimizer: tf.Optimizer = tf.train.adam(0.1);
    for (let step = 0; step < 3; step++) {
      const gradients = steered(term, 1);
      optimizer.applyGradients(gradients);
      tf.dispose(gradients);
    }
    const after = bitsOf(model.tensors.map(({ variable }) => variable));
    expect(model.tensors.map((_, i) => JSON.stringify(after[i]) === JSON.stringify(before[i]))).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    optimizer.dispose();
    term.dispose();
  });

  it('takes a share of the gradient at a strength below one', () => {
    const term = start();
    const [whole, half] = [steered(term, 0), steered(term, 0.5)];
    const { name } = model.tensors[2]!.variable;
    const values = valuesOf([whole[name], half[name]] as tf.Variable[]);
    values[1]!.forEach((value, i) => {
      expect(value).toBeCloseTo(values[0]![i]! / 2, 6);
    });
    tf.dispose([whole, half]);
    term.dispose();
  });

  it('goes by dimensions, and by the names of position tables, not by other parts of names', () => {
    const trained = [
      'recurrent_kernel',
      'weight_ih_l0',
      'w1',
      'position_wise_ffn.weight',
      'decomposition.weight',
    ];
    const tables = [
      'text.position_embeddings.weight',
      'vit.embeddings.position_embeddings',
      'visual.positional_embedding',
      'encoder.pos_embedding',
      'pos_embed',
      'decoder.embed_positions.weight',
      'transformer.wpe.weight',
    ];
    model.dispose();
    model = makeModel([...trained, ...tables].map((name) => ({ name, shape: [3, 2] })));
    const term = start();
    const gradients = likeTensors(model, 'gradients');
    const byName = Object.fromEntries(model.tensors.map(({ variable }, i) => [variable.name, gradients[i]]));
    const additions = tf.tidy(() => term.additions(byName, 1));
    const held = model.tensors.filter(({ variable }) => variable.name in additions).map(({ name }) => name);
    expect(held).toEqual(tables);
    expect(term.actsOn).toBe(
      'hold holds 7 of 12 tensors: text.position_embeddings.weight, vit.embeddings.position_embeddings, visual.positional_embedding and 4 more',
    );
    tf.dispose([gradients, additions]);
    term.dispose();
  });

  it('is refused where nothing would be left to train', () => {
    model.dispose();
    model = makeModel(STORED.slice(1));
    const message = /^it would hold all that is trained \(norm\.weight, up\.bias, position, .*\)/;
    expect(start).toThrow(message);
    model.dispose();
    model = makeModel(STORED);
    model.tensors[0]!.variable.trainable = false;
    expect(start).toThrow(message);
  });

  it('says that there is nothing to hold where every tensor is a matrix', () => {
    model.dispose();
    model = makeModel([STORED[0]!]);
    expect(start).toThrow('every steered tensor is a matrix');
  });
});
