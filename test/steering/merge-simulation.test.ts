import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import type { LossTerm, SteeringContext } from '../../src/steering/index.js';
import { mergeSimulation } from '../../src/steering/merge-simulation.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, largestDifference, likeTensors, type Model, makeModel, referenceOf } from './model.js';
import { addTo, baseOf, Quadratic, resultOf, weightsOf } from './quadratic.js';

beforeAll(() => openBackend(chosen));

let tensorsBefore: number;
let model: Model;
let problem: Quadratic;
let theirs: tf.Tensor[];
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel();
  problem = new Quadratic(model);
  theirs = likeTensors(model, 'reference');
});
afterEach(() => {
  model.dispose();
  problem.dispose();
  tf.dispose(theirs);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const withReference = (): SteeringContext =>
  contextOf(model, { references: [referenceOf(model, { taus: [...theirs.slice(0, 2), null] })] });

const start = (options: Record<string, unknown>, context = contextOf(model)) =>
  mergeSimulation.start(options, context) as LossTerm;

/** The steered weights where a term evaluates, less the base. */
function seenTaus(term: LossTerm): number[][] {
  const base = baseOf(model);
  let seen: number[][] = [];
  resultOf(term, model, (loss) => {
    seen = weightsOf(model).slice(0, model.tensors.length);
    return problem.evaluate(loss);
  });
  return seen.map((values, v) => values.map((w, i) => w - base[v][i]));
}

function liveTaus(): number[][] {
  const base = baseOf(model);
  return weightsOf(model)
    .slice(0, model.tensors.length)
    .map((values, v) => values.map((w, i) => w - base[v][i]));
}

describe('merge_simulation with a reference', () => {
  it.each([
    { chain: true, form: 'added', strength: 0.5, factor: 0.2, head: 0.5 },
    { chain: false, form: 'added', strength: 0.5, factor: 0.5, head: 0.5 },
    { chain: true, form: 'in_place', strength: 0.5, factor: 0.4, head: 1 },
    { chain: false, form: 'in_place', strength: 0.5, factor: 1, head: 1 },
  ])('$form, chain $chain: $factor times the gradient at base + .4 (tau + tau_ref)', (row) => {
    const { chain, form, strength, factor, head } = row;
    const term = start({ low: 0.4, high: 0.4, chain, form }, withReference());
    const { grads } = resultOf(term, model, problem.evaluate, strength);
    const base = baseOf(model);
    // The reference has nothing of the third tensor.
    const others = [...theirs.slice(0, 2).map((tau) => tau.dataSync()), new Float32Array(100)];
    const place = [
      ...liveTaus().map((tau, v) => tau.map((x, i) => base[v][i] + 0.4 * (x + others[v][i]))),
      base.at(-1) as number[],
    ];
    problem.gradientAt(place).forEach((gradient, v) => {
      const wanted = gradient.map((x) => x * (v < model.tensors.length ? factor : head));
      expect(largestDifference(grads[v], wanted)).toBeLessThan(1e-4);
    });
  });

  it('descends on the loss of the merged model', () => {
    const term = start({ low: 0.5, high: 0.5 }, withReference());
    const merged = () => resultOf(term, model, problem.evaluate).value;
    const before = merged();
    for (let step = 0; step < 5; step++) {
      addTo(model, resultOf(term, model, problem.evaluate).grads, -0.1);
    }
    expect(merged()).toBeLessThan(0.9 * before);
  });

  it('auto takes it, and turns LoRA factors, of which it has nothing', () => {
    const context = withReference();
    const tensors = context.tensors.map((tensor, index) => ({ ...tensor, isFactor: index === 2 }));
    const term = start({ low: 1, high: 1 }, { ...context, tensors });
    const [first, , third] = seenTaus(term).map((tau, v) => tau.map((x, i) => x - liveTaus()[v][i]));
    expect(largestDifference(first, [...theirs[0].dataSync()])).toBeLessThan(1e-5);
    expect(Math.hypot(...third) / Math.hypot(...liveTaus()[2])).toBeCloseTo(1, 3);
  });

  it('says what works without', () => {
    expect(() => start({ partner: 'reference' })).toThrow(
      'merge_simulation with partner reference needs references, and there are none; scale_jitter, sharpness, hold and merge_simulation with partner random work without',
    );
    const adapted = withReference();
    const tensors = adapted.tensors.map((tensor) => ({ ...tensor, isFactor: true }));
    expect(() => start({ partner: 'reference' }, { ...adapted, tensors })).toThrow(
      /does not act on matrices with a LoRA adapter \(up.weight and 2 more\).*partner random act on them$/,
    );
  });
});

describe('the random partner', () => {
  it('has the singular values of tau in other directions, anew each time', () => {
    const term = start({ low: 1, high: 1, partner: 'random' });
    const partnerOf = () => seenTaus(term).map((tau, v) => tau.map((x, i) => x - liveTaus()[v][i]));
    const [one, other] = [partnerOf(), partnerOf()];
    expect(one).not.toEqual(other);
    liveTaus().forEach((tau, v) => {
      const { shape } = model.tensors[v].variable;
      const sizes = (values: number[]) => values.map(Math.abs).sort((a, b) => a - b);
      expect(largestDifference(sizes(one[v]), sizes(tau))).toBeLessThan(1e-5);
      const columns = shape.at(-1) as number;
      const spectrum = (values: number[]) => powerSums(values, columns);
      const [wanted, found] = [spectrum(tau), spectrum(one[v])];
      wanted.forEach((sum, k) => {
        expect(found[k] / sum).toBeCloseTo(1, 2);
      });
    });
  });

  /** Sums of the second and fourth powers of the singular values: traces of powers of A^T A. */
  function powerSums(values: number[], columns: number): number[] {
    const rows = Array.from({ length: values.length / columns }, (_, r) =>
      values.slice(r * columns, (r + 1) * columns),
    );
    const gram = rows.map((a) => rows.map((b) => a.reduce((sum, x, i) => sum + x * b[i], 0)));
    const trace = gram.reduce((sum, row, i) => sum + row[i], 0);
    return [trace, gram.flat().reduce((sum, x) => sum + x * x, 0)];
  }
});

describe('cuts', () => {
  it('drops values with the rate and scales up the rest, and so the gradient', () => {
    const term = start({ low: 0.5, high: 0.5, partner: 'none', cut: 'drop', rate: 0.75, chain: true });
    const tau = liveTaus();
    const kept = Array.from({ length: 60 }, () => seenTaus(term)).flatMap((taus) =>
      taus.flatMap((values, v) => values.map((x, i) => Math.round((x / tau[v][i]) * 10) / 10)),
    );
    // 0.5 / (1 - 0.75)
    expect([...new Set(kept.map(Math.abs))].sort()).toEqual([0, 2]);
    const share = kept.filter((x) => x !== 0).length / kept.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / kept.length));
    let seen: number[][] = [];
    const { grads } = resultOf(term, model, (loss) => {
      seen = weightsOf(model);
      return problem.evaluate(loss);
    });
    const there = problem.gradientAt(seen);
    const base = baseOf(model);
    model.tensors.forEach((_, v) => {
      const wanted = there[v].map((x, i) => (seen[v][i] === base[v][i] ? 0 : 2 * x));
      expect(largestDifference(grads[v], wanted)).toBeLessThan(1e-3);
    });
  });

  it('trims all but the largest values of the whole task vector', () => {
    const term = start({ low: 1, high: 1, partner: 'none', cut: 'trim', density: 0.25 });
    const magnitudes = liveTaus()
      .flat()
      .map(Math.abs)
      .sort((a, b) => b - a);
    const threshold = magnitudes[Math.floor(0.25 * magnitudes.length) - 1];
    const wanted = liveTaus().map((tau) => tau.map((x) => (Math.abs(x) >= threshold ? x : 0)));
    seenTaus(term).forEach((tau, v) => {
      expect(largestDifference(tau, wanted[v])).toBeLessThan(1e-5);
    });
    term.dispose();
  });

  it('trims a large model by a sample of it', () => {
    const large = makeModel(
      [
        { name: 'a', shape: [100, 150] },
        { name: 'b', shape: [120, 200] },
        { name: 'c', shape: [3] },
      ],
      5,
    );
    const quadratic = new Quadratic(large);
    const options = { low: 1, high: 1, partner: 'none', cut: 'trim', density: 0.2 };
    const term = start(options, contextOf(large));
    const base = baseOf(large);
    let kept = 0;
    resultOf(term, large, (loss) => {
      kept = weightsOf(large)
        .slice(0, 3)
        .flatMap((values, v) => values.filter((w, i) => w !== base[v][i])).length;
      return quadratic.evaluate(loss);
    });
    // Four standard deviations of a share by 8192 values.
    expect(Math.abs(kept / (15000 + 24000 + 3) - 0.2)).toBeLessThan(4 * Math.sqrt((0.2 * 0.8) / 8192));
    term.dispose();
    quadratic.dispose();
    large.dispose();
  });
});
