import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import {
  checkTerm,
  type LossGradients,
  type LossTerm,
  type SteeringContext,
  TERMS,
  type Term,
} from '../../src/steering/index.js';
import { Random } from '../../src/tensors/random.js';
import { chosen } from '../backend/chosen.js';
import { bitsOf, contextOf, likeTensors, type Model, makeModel, referenceOf } from './model.js';
import { Quadratic } from './quadratic.js';

const CASES: readonly [string, Record<string, unknown>][] = [
  ['merge_simulation', {}],
  ['merge_simulation', { form: 'added', chain: true }],
  ['merge_simulation', { form: 'added', partner: 'random', chain: false }],
  ['merge_simulation', { form: 'added', chain: true, partner: 'none', cut: 'drop' }],
  ['merge_simulation', { form: 'added', chain: true, cut: 'trim' }],
  ['merge_simulation', { cut: 'drop', form: 'in_place', chain: true }],
  ['scale_jitter', {}],
  ['scale_jitter', { form: 'added', chain: true }],
  ['scale_jitter', { form: 'in_place', chain: true }],
  ['scale_jitter', { form: 'in_place', chain: false, every: 2, probability: 0.5 }],
  ['scale_jitter', { form: 'added', every: 2, probability: 0.5 }],
  ['sharpness', {}],
  ['sharpness', { adaptive: true }],
  ['sharpness', { form: 'in_place' }],
  ['sharpness', { form: 'in_place', direction: 'down', adaptive: true }],
  ['gradient_norm', {}],
  ['proximal', {}],
  ['subspace', {}],
  ['subspace', { mode: 'encourage' }],
  ['alignment', {}],
  ['alignment', { mode: 'attract' }],
  ['functional', { samples: 3 }],
  ['hold', {}],
];

/** Terms that stand for the plain evaluation unless told otherwise. */
const IN_PLACE = ['merge_simulation', 'scale_jitter'];

beforeAll(() => openBackend(chosen));

let atFirst: number;
let model: Model;
let problem: Quadratic;
let lent: tf.Tensor[];
beforeEach(() => {
  atFirst = tf.memory().numTensors;
  model = makeModel();
  problem = new Quadratic(model);
  lent = [];
});
afterEach(() => {
  model.dispose();
  problem.dispose();
  tf.dispose(lent);
  expect(tf.memory().numTensors).toBe(atFirst);
});

/** A context with everything that a term may need. */
function fullContext(seed = 0): SteeringContext {
  const references = ['a', 'b'].map((name) => {
    const taus = conflicting(name, name === 'a' ? 0.1 : -0.1);
    const gradients = likeTensors(model, `${name} gradient`);
    const inputs = tf.tensor2d(new Random(name).normals(5 * 4, 0.1), [5, 4]);
    lent.push(...taus, ...gradients, inputs);
    const subspaces = new Map([
      ['up.weight', { shape: [4, 1], data: new Float32Array([0.5, 0.5, -0.5, 0.5]) }],
    ]);
    return referenceOf(model, { taus, gradients, inputs, subspaces });
  });
  const [{ variable: up }] = model.tensors;
  const activations = (inputs: tf.Tensor) =>
    tf.tanh(tf.matMul(inputs as tf.Tensor2D, up as unknown as tf.Tensor2D, false, true)) as tf.Tensor2D;
  return contextOf(model, { references, activations, seed });
}

/** Task vectors that a step against the gradient lowers, by the sign of `along`: the gradient times it and some noise. */
function conflicting(seed: string, along: number): tf.Tensor[] {
  const { value, grads } = problem.evaluate();
  const noise = likeTensors(model, `${seed} tau`);
  const taus = model.tensors.map(({ variable }, index) =>
    tf.tidy(() => tf.add(noise[index], tf.mul(grads[variable.name], along))),
  );
  tf.dispose([value, grads, noise]);
  return taus;
}

function started(name: string, options: Record<string, unknown>, context: SteeringContext): Term {
  const checked = checkTerm(name, { ...options, strength: 1 });
  return checked.info.start(checked.options, context);
}

type Evaluate = (loss?: () => tf.Scalar) => LossGradients;

/** One step of a term: what it gives, by variable name, on the host. */
function act(term: Term, strength: number, evaluate: Evaluate = problem.evaluate) {
  const given = tf.tidy(() => {
    const plain = problem.evaluate();
    if (term.kind === 'gradient') {
      return term.additions(plain.grads, strength);
    }
    const { value, grads } = term.evaluate(evaluate, strength, term.usesPlain ? plain : null);
    value.dispose();
    return grads;
  });
  const values = Object.entries(given).map(([key, tensor]) => [key, [...tensor.dataSync()]] as const);
  tf.dispose(given);
  return Object.fromEntries(values);
}

const isAdded = (term: Term) => term.kind === 'gradient' || term.form === 'added';

it('is asked of every term', () => {
  expect([...new Set(CASES.map(([name]) => name))]).toEqual(TERMS.map(({ name }) => name));
});

describe.each(CASES)('%s %j', (name, options) => {
  it('leaves the weights bit-identical and nothing else behind', () => {
    const context = fullContext();
    const before = { bits: bitsOf(model.variables), tensors: tf.memory().numTensors };
    const term = started(name, options, context);
    act(term, 1);
    const { numTensors } = tf.memory();
    for (let step = 1; step < 4; step++) {
      act(term, 1);
      expect(tf.memory().numTensors).toBe(numTensors);
    }
    expect(bitsOf(model.variables)).toEqual(before.bits);
    term.dispose();
    expect(tf.memory().numTensors).toBe(before.tensors);
  });

  it('gives the same with the same seed, something at that', () => {
    const results = [1, 1].map((seed) => {
      const term = started(name, options, fullContext(seed));
      const given = [act(term, 0.5), act(term, 1)];
      term.dispose();
      return given;
    });
    expect(results[1]).toEqual(results[0]);
    expect(Math.max(...Object.values(results[0][0]).flat().map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it('is in proportion to the strength where it is added, and nothing at strength 0', () => {
    const given = [1, 0.5, 0].map((strength) => {
      const term = started(name, options, fullContext());
      const values = isAdded(term) ? act(term, strength) : {};
      if (term.kind === 'loss') {
        expect(Array.from({ length: 20 }, (_, step) => term.due(step, 0))).not.toContain(true);
      }
      term.dispose();
      return values;
    });
    const [whole, half, none] = given;
    for (const [key, values] of Object.entries(whole)) {
      const size = Math.max(...values.map(Math.abs));
      values.forEach((value, i) => {
        expect(Math.abs(half[key][i] - value / 2)).toBeLessThanOrEqual(1e-5 * size);
        expect(Math.abs(none[key][i])).toBe(0);
      });
    }
  });

  it('adds nothing to a frozen variable', () => {
    const [frozen, ...others] = model.variables;
    const partly: Evaluate = (loss = problem.loss) => tf.variableGrads(loss, others);
    const term = started(name, options, fullContext());
    // The penalty of `functional` here has a gradient by this variable alone.
    if (name !== 'functional') {
      const plain = partly();
      const given = tf.tidy(() =>
        term.kind === 'gradient'
          ? term.additions(plain.grads, 1)
          : { ...term.evaluate(partly, 1, plain).grads },
      );
      expect(given[frozen.name]).toBeUndefined();
      tf.dispose([given, plain.value, plain.grads]);
    }
    term.dispose();
  });

  it('never moves the head', () => {
    const head = [...model.head.dataSync()];
    const seen: number[][] = [];
    const term = started(name, options, fullContext());
    const watching: Evaluate = (loss) => {
      seen.push([...model.head.dataSync()]);
      return problem.evaluate(loss);
    };
    const given = act(term, 1, watching);
    if (term.kind === 'gradient') {
      expect(given[model.head.name]).toBeUndefined();
    } else {
      expect(seen).toEqual([head]);
    }
    term.dispose();
  });
});

const LOSS_CASES = CASES.filter(([name]) => checkTerm(name).info.kind === 'loss');

describe.each(LOSS_CASES)('%s %j', (name, options) => {
  const start = (context: SteeringContext) => started(name, options, context) as LossTerm;

  it('restores the weights when the loss throws, and leaks nothing', () => {
    const term = start(fullContext());
    act(term, 1);
    const before = { bits: bitsOf(model.variables), tensors: tf.memory().numTensors };
    const plain = problem.evaluate();
    const fail = () => {
      throw new Error('out of memory');
    };
    expect(() => term.evaluate(() => problem.evaluate(fail), 1, plain)).toThrow('out of memory');
    tf.dispose([plain.value, plain.grads]);
    expect(tf.memory().numTensors).toBe(before.tensors);
    expect(bitsOf(model.variables)).toEqual(before.bits);
    term.dispose();
  });

  it('costs what it says, and evaluates once', () => {
    const { info } = checkTerm(name);
    const usual = IN_PLACE.includes(name) ? 'in_place' : 'added';
    const { every = 1, probability = 1, form = usual } = options as Record<string, never>;
    expect(info.gradientEvaluations(options)).toBe(form === 'added' ? probability / every : 0);
    expect(info.gradientEvaluations({ ...options, every: 4 })).toBe(form === 'added' ? probability / 4 : 0);
    const term = start(fullContext());
    expect(term.form).toBe(form === 'added' ? 'added' : 'in place');
    let evaluations = 0;
    act(term, 1, (loss) => {
      evaluations++;
      return problem.evaluate(loss);
    });
    expect(evaluations).toBe(1);
    term.dispose();
  });
});
