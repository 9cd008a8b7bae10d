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
  async read(): Promise<{ average: number[][]; remaining: number; nonFinite: number }> {
    const average: number[][] = [];
    for (const [c, chunk] of this.#layout.chunks.entries()) {
      const values = await valuesOf(() => this.#average.average(c));
      chunk.tensors.forEach((t, i) => {
        const size = this.#tensors[t].variable.size;
        average[t] = [...values.subarray(chunk.offsets[i], chunk.offsets[i] + size)];
      });
    }
    const [remaining, nonFinite] = await valuesOf(() => this.#average.counters());
    return { average, remaining, nonFinite };
  }

  dispose(): void {
    this.#average.dispose();
    this.#layout.dispose();
    tf.dispose(this.#tensors.map(({ variable }) => variable));
  }
}

/** Of a tensor that is made for it. */
async function valuesOf(make: () => tf.Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(make);
  const values = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return values;
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
  it.each([0, 0.5, 0.9, 0.99])('is the bias-corrected one of a float64 loop: decay %d', async (decay) => {
    const random = new Random('steps', decay);
    const steps = Array.from({ length: 30 }, () => randomStep(random));
    const bench = new Bench(decay);
    for (const [i, step] of steps.entries()) {
      bench.fold(step);
      if ([0, 1, 29].includes(i)) {
        expectClose((await bench.read()).average, slowAverage(steps.slice(0, i + 1), decay).average);
      }
    }
    bench.dispose();
  });

  it('leaves out steps with NaN or Inf and counts them; missing gradients are zeros', async () => {
    const value = fc.constantFrom('number', 'missing', Number.NaN, Infinity, -Infinity);
    const kinds = fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(kinds, fc.integer({ min: 0, max: 99 }), async (spec, seed) => {
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
        const { average, nonFinite, remaining } = await bench.read();
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

  it('a rehearsal leaves it as it was', async () => {
    const bench = new Bench(0.9);
    bench.rehearse();
    expect(await bench.read()).toMatchObject({ remaining: 1, nonFinite: 0 });
    const step = randomStep(new Random('one'));
    bench.fold(step);
    const before = await bench.read();
    bench.rehearse();
    expect(await bench.read()).toEqual(before);
    bench.dispose();
  });

  it('huge finite gradients are no infinities', async () => {
    const bench = new Bench(0);
    bench.fold(PATHS.map((path) => new Float32Array(SIZES[path].reduce((p, n) => p * n, 1)).fill(3e38)));
    expect(await bench.read()).toMatchObject({ remaining: 0, nonFinite: 0 });
    bench.dispose();
  });
});
