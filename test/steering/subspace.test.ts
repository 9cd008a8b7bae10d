import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import type { GradientTerm, SteeringReference } from '../../src/steering/index.js';
import { subspace } from '../../src/steering/subspace.js';
import { Random } from '../../src/tensors/random.js';
import { chosen } from '../backend/chosen.js';
import { bitsOf, contextOf, largestDifference, type Model, makeModel, referenceOf, STORED } from './model.js';

type Subspaces = readonly SteeringReference['rightSubspaces'][];

beforeAll(async () => {
  await openBackend(chosen);
});

let tensorsBefore: number;
let model: Model;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel();
});
afterEach(() => {
  model.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

/** [in, k], columns orthonormal (Gram and Schmidt). */
function orthonormal(inputs: number, k: number, seed: string) {
  const random = new Random('V', seed);
  const columns: number[][] = [];
  while (columns.length < k) {
    let column = Array.from(random.normals(inputs));
    for (const other of columns) {
      const share = column.reduce((sum, value, i) => sum + value * other[i], 0);
      column = column.map((value, i) => value - share * other[i]);
    }
    const norm = Math.hypot(...column);
    columns.push(column.map((value) => value / norm));
  }
  const data = new Float32Array(inputs * k);
  columns.forEach((column, j) => {
    column.forEach((value, i) => {
      data[i * k + j] = value;
    });
  });
  return { shape: [inputs, k], data };
}

/** Two references; only the first has a subspace of `down.weight`. */
function subspaces(): Subspaces {
  return [
    new Map([
      ['up.weight', orthonormal(4, 2, 'a')],
      ['down.weight', orthonormal(4, 1, 'b')],
    ]),
    new Map([['up.weight', orthonormal(4, 3, 'c')]]),
  ];
}

/** tau as [out, in], whichever way it is stored. */
function tau(weights: tf.Tensor, index: number): tf.Tensor2D {
  const difference = tf.sub(weights, model.base[index]) as tf.Tensor2D;
  return STORED[index].transposed ? tf.transpose(difference) : difference;
}

/** The penalty of one stored tensor as the term's docstring has it: tau V V^T, or tau minus it, per reference. */
function penalty(weights: tf.Tensor, index: number, references: Subspaces, mode: string): tf.Scalar {
  const own = references.map((reference) => reference.get(STORED[index].name)).filter((v) => v !== undefined);
  const parts = own.map(({ shape, data }) => {
    const right = tf.tensor2d(data, shape as [number, number]);
    const difference = tau(weights, index);
    const inside = tf.matMul(tf.matMul(difference, right), tf.transpose(right));
    return tf.sum(tf.square(mode === 'avoid' ? inside : tf.sub(difference, inside)));
  });
  return tf.div(tf.addN(parts), 2 * parts.length) as tf.Scalar;
}

function start(options: Record<string, unknown>, references: Subspaces): GradientTerm {
  return subspace.start(options, contextOf(model, { references: holding(references) })) as GradientTerm;
}

function holding(references: Subspaces): SteeringReference[] {
  return references.map((subspaces) => referenceOf(model, { subspaces }));
}

/** What it adds at a strength, whatever the gradients are. */
function additionsOf(term: GradientTerm, strength: number): tf.NamedTensorMap {
  const gradients = Object.fromEntries(model.variables.map((variable) => [variable.name, variable]));
  return term.additions(gradients, strength);
}

describe('the gradient', () => {
  it.each(['avoid', 'encourage'])('of %s is that of the penalty', (mode) => {
    const references = subspaces();
    const strength = 0.7;
    const term = start({ mode }, references);
    tf.tidy(() => {
      const additions = additionsOf(term, strength);
      expect(term.leavesOut).toBeNull();
      expect(Object.keys(additions)).toEqual(model.tensors.slice(0, 2).map(({ variable }) => variable.name));
      for (const index of [0, 1]) {
        const { variable } = model.tensors[index];
        const wanted = tf.grad((weights: tf.Tensor) =>
          tf.mul(penalty(weights, index, references, mode), strength),
        )(variable);
        const added = additions[variable.name];
        expect(added.shape).toEqual(variable.shape);
        const size = largestDifference(wanted.dataSync(), new Float32Array(variable.size));
        expect(size).toBeGreaterThan(0.01);
        expect(largestDifference(added.dataSync(), wanted.dataSync())).toBeLessThan(1e-4 * size);
      }
    });
    term.dispose();
  });

  it('is zero at the base and at strength 0', () => {
    const off = start({}, subspaces());
    tf.tidy(() => {
      for (const added of Object.values(additionsOf(off, 0))) {
        expect(largestDifference(added.dataSync(), new Float32Array(added.size))).toBe(0);
      }
    });
    off.dispose();
    model.tensors.forEach(({ variable }, index) => {
      variable.assign(model.base[index]);
    });
    const term = start({ mode: 'encourage' }, subspaces());
    tf.tidy(() => {
      for (const added of Object.values(additionsOf(term, 1))) {
        expect(largestDifference(added.dataSync(), new Float32Array(added.size))).toBe(0);
      }
    });
    term.dispose();
  });

  it('leaves the weights, and tensors without a subspace, alone', () => {
    const before = bitsOf(model.variables);
    const term = start({}, [new Map(), new Map([['norm.weight', orthonormal(7, 1, 'n')]])]);
    expect(tf.tidy(() => Object.keys(additionsOf(term, 1)))).toEqual([]);
    term.dispose();
    expect(bitsOf(model.variables)).toEqual(before);
  });

  it('leaves matrices out of which a factor is trained, and says so', () => {
    const context = contextOf(model, { references: holding(subspaces()) });
    const adapted = (count: number) => ({
      ...context,
      tensors: context.tensors.map((tensor, index) => ({ ...tensor, isFactor: index < count })),
    });
    const term = subspace.start({}, adapted(1)) as GradientTerm;
    expect(term.leavesOut).toBe('subspace does not act on matrices with a LoRA adapter (up.weight)');
    const names = tf.tidy(() => Object.keys(additionsOf(term, 1)));
    expect(names).toEqual([model.tensors[1].variable.name]);
    term.dispose();
    expect(() => subspace.start({}, adapted(2))).toThrow(
      'a LoRA adapter (up.weight and 1 more), and there is no other; scale_jitter, sharpness and merge_simulation with partner random act on them',
    );
  });

  it('keeps its subspaces beyond the scope that it was started in', () => {
    const started: GradientTerm[] = [];
    tf.tidy(() => {
      started.push(start({}, subspaces()));
    });
    const [term] = started;
    tf.tidy(() => {
      expect(Object.keys(additionsOf(term, 1))).toHaveLength(2);
    });
    term.dispose();
  });
});

describe('steps of SGD', () => {
  const steps = 5;
  const rate = 0.1;
  const strength = 2;

  /** ‖tau V V^T‖² and ‖tau (I - V V^T)‖² of both matrices, one reference. */
  function inAndOut(reference: Subspaces): { inside: number; outside: number }[] {
    const twice = (index: number, mode: string) =>
      2 * tf.tidy(() => penalty(model.tensors[index].variable, index, reference, mode).dataSync()[0]);
    return [0, 1].map((index) => ({ inside: twice(index, 'avoid'), outside: twice(index, 'encourage') }));
  }

  it.each(['avoid', 'encourage'])('%s moves tau as it says', (mode) => {
    const reference = subspaces().slice(0, 1);
    const before = inAndOut(reference);
    const term = start({ mode }, reference);
    const optimizer = tf.train.sgd(rate);
    for (let step = 0; step < steps; step++) {
      const additions = tf.tidy(() => additionsOf(term, strength));
      optimizer.applyGradients(additions);
      tf.dispose(additions);
    }
    // The part that the penalty sees shrinks by 1 - rate strength a step, the other one stays.
    const left = (1 - rate * strength) ** (2 * steps);
    inAndOut(reference).forEach(({ inside, outside }, index) => {
      const shrunk = mode === 'avoid' ? inside / before[index].inside : outside / before[index].outside;
      const kept = mode === 'avoid' ? outside / before[index].outside : inside / before[index].inside;
      expect(shrunk / left).toBeCloseTo(1, 3);
      expect(kept).toBeCloseTo(1, 3);
      const share = (part: { inside: number; outside: number }) => part.inside / (part.inside + part.outside);
      const change = share({ inside, outside }) - share(before[index]);
      expect(Math.sign(change)).toBe(mode === 'avoid' ? -1 : 1);
    });
    optimizer.dispose();
    term.dispose();
  });
});
