import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { FlatLayout } from '../../../hooks/tfjs/flat-layout.js';
import { GradientAverage } from '../../../hooks/tfjs/gradient-average.js';
import { openBackend } from '../../../src/backend/index.js';
import { Random } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { randomTensors, sharedTensors } from './random-models.js';

beforeAll(() => openBackend(chosen));

const SIZES = { a: [5], b: [128], 'c/kernel': [3, 7] };
const PATHS = ['a', 'b', 'c/kernel'] as const;

/** One step's gradients, flat, one a tensor; null: the optimiser was given none. */
type Step = readonly (Float32Array | null)[];

class Bench {
  readonly #tensors = sharedTensors(SIZES, randomTensors(SIZES, 1, 'values'));
  readonly #layout = new FlatLayout(this.#tensors, 128);
  readonly #average: GradientAverage;

  constructor(decay: number) {
    this.#average = new GradientAverage(this.#layout, decay);
  }

  fold(step: Step): void {
    const gradients = Object.fromEntries(
      this.#tensors.map(({ variable }, t) => {
        const data = step[t];
        return [variable.name, data && tf.tensor(data, variable.shape)];
      }),
    );
    this.#average.fold(gradients, 1);
    tf.dispose(Object.values(gradients).filter((gradient) => gradient !== null));
  }

  rehearse(): void {
    this.#average.rehearse();
  }

  /** The average of every tensor, and the counters. */
  read(): { average: number[][]; remaining: number; nonFinite: number } {
    const average: number[][] = [];
    this.#layout.chunks.forEach((chunk, c) => {
      const values = tf.tidy(() => this.#average.average(c).dataSync());
      chunk.tensors.forEach((t, i) => {
        const size = this.#tensors[t].variable.size;
        average[t] = [...values.subarray(chunk.offsets[i], chunk.offsets[i] + size)];
      });
    });
    const [remaining, nonFinite] = tf.tidy(() => this.#average.counters().dataSync());
    return { average, remaining, nonFinite };
  }

  dispose(): void {
    this.#average.dispose();
    this.#layout.dispose();
    tf.dispose(this.#tensors.map(({ variable }) => variable));
  }
}

/** The same in float64, one number after the other. */
function slowAverage(steps: readonly Step[], decay: number): { average: number[][]; nonFinite: number } {
  const sums = PATHS.map((path) => new Array(SIZES[path].reduce((p, n) => p * n, 1)).fill(0));
  let folds = 0;
  let nonFinite = 0;
  for (const step of steps) {
    if (step.some((gradient) => gradient?.some((value) => !Number.isFinite(value)))) {
      nonFinite += 1;
      continue;
    }
    folds += 1;
    sums.forEach((sum, t) => {
      for (let i = 0; i < sum.length; i++) {
        sum[i] = decay * sum[i] + (1 - decay) * (step[t]?.[i] ?? 0);
      }
    });
  }
  return { nonFinite, average: sums.map((sum) => sum.map((value) => value / (1 - decay ** folds))) };
}

function randomStep(random: Random): Step {
  return PATHS.map((path) => random.normals(SIZES[path].reduce((p, n) => p * n, 1)));
}

function expectClose(found: number[][], expected: number[][]): void {
  found.forEach((tensor, t) => {
    tensor.forEach((value, i) => {
      expect(Math.abs(value - expected[t][i]), `tensor ${t}, ${i}: ${value}`).toBeLessThan(1e-5);
    });
  });
}

describe('the moving average of the gradient', () => {
  it.each([0, 0.5, 0.9, 0.99])('is the bias-corrected one of a float64 loop: decay %d', (decay) => {
    const random = new Random('steps', decay);
    const steps = Array.from({ length: 30 }, () => randomStep(random));
    const bench = new Bench(decay);
    steps.forEach((step, i) => {
      bench.fold(step);
      if ([0, 1, 29].includes(i)) {
        expectClose(bench.read().average, slowAverage(steps.slice(0, i + 1), decay).average);
      }
    });
    bench.dispose();
  });

  it('leaves out steps with NaN or Inf and counts them; missing gradients are zeros', () => {
    const value = fc.constantFrom('number', 'missing', Number.NaN, Infinity, -Infinity);
    const kinds = fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(kinds, fc.integer({ min: 0, max: 99 }), (spec, seed) => {
        const random = new Random('property', seed);
        const steps = spec.map((kindsOfStep) => {
          const step = randomStep(random);
          return kindsOfStep.map((kind, t) => {
            const gradient = step[t] as Float32Array;
            if (typeof kind === 'number') {
              gradient[random.integer(gradient.length)] = kind;
            }
            return kind === 'missing' ? null : gradient;
          });
        });
        const bench = new Bench(0.9);
        for (const step of steps) {
          bench.fold(step);
        }
        const { average, nonFinite, remaining } = bench.read();
        bench.dispose();
        const expected = slowAverage(steps, 0.9);
        expect(nonFinite).toBe(expected.nonFinite);
        expect(remaining).toBeCloseTo(0.9 ** (steps.length - nonFinite), 5);
        if (nonFinite < steps.length) {
          expectClose(average, expected.average);
        } else {
          expect(average.flat().every(Number.isNaN)).toBe(true);
        }
      }),
      { seed: 3, numRuns: 40 },
    );
  });

  it('a rehearsal leaves it as it was', () => {
    const bench = new Bench(0.9);
    bench.rehearse();
    expect(bench.read()).toMatchObject({ remaining: 1, nonFinite: 0 });
    const step = randomStep(new Random('one'));
    bench.fold(step);
    const before = bench.read();
    bench.rehearse();
    expect(bench.read()).toEqual(before);
    bench.dispose();
  });

  it('huge finite gradients are no infinities', () => {
    const bench = new Bench(0);
    bench.fold(PATHS.map((path) => new Float32Array(SIZES[path].reduce((p, n) => p * n, 1)).fill(3e38)));
    expect(bench.read()).toMatchObject({ remaining: 0, nonFinite: 0 });
    bench.dispose();
  });
});
