import fc from 'fast-check';
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { computePairMetrics, type HostModel, METRICS, type PairStatistics } from '../../src/metrics/index.js';
import { mapTensors, measured, randomModel, randomTensors, scaled } from './models.js';

const runs = { seed: 20, numRuns: 40 };
const seeds = fc.integer({ min: 0, max: 1e6 });
const factors = fc.double({ min: 1e-3, max: 1e3, noNaN: true });

function statistics(live: HostModel, reference: HostModel): PairStatistics {
  return measured(live, reference, 'one', 2);
}

/** all values by name; fails when one is null */
function values(live: HostModel, reference: HostModel): Record<string, number> {
  return valuesOf(statistics(live, reference));
}

function valuesOf(given: PairStatistics): Record<string, number> {
  return Object.fromEntries(
    Object.entries(computePairMetrics(given, 0)).map(([name, metric]) => {
      expect(metric, name).not.toHaveProperty('reason');
      return [name, metric.value!];
    }),
  );
}

function expectClose(found: number, expected: number, tolerance: number, name: string): void {
  expect(Math.abs(found - expected), `${name}: ${found}, ${expected}`).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(expected)),
  );
}

describe('every metric', () => {
  it('is symmetric in the two models', () => {
    fc.assert(
      fc.property(seeds, seeds, (one, other) => {
        const a = randomModel(one);
        const b = scaled(randomModel('b', other), 0.3);
        const forth = values(a, b);
        const back = values(b, a);
        for (const { name } of METRICS) {
          expectClose(back[name]!, forth[name]!, 1e-12, name);
        }
      }),
      runs,
    );
  });

  it('stays in its range, for near, opposite and very unequal models too', () => {
    fc.assert(
      fc.property(seeds, factors, fc.constantFrom(0, 1e-12, 1e-6, 1), (seed, factor, noise) => {
        const a = randomModel(seed);
        const extra = randomTensors('noise', seed);
        const moved = mapTensors(a.taskVector, (value, i, name) => value + noise * extra.get(name)!.data[i]!);
        for (const sign of [1, -1]) {
          const found = values(a, scaled({ ...a, taskVector: moved }, sign * factor));
          for (const { name, range } of METRICS) {
            expect(found[name]!, name).toBeGreaterThanOrEqual(range[0] ?? -Infinity);
            expect(found[name]!, name).toBeLessThanOrEqual(range[1] ?? Infinity);
          }
        }
      }),
      runs,
    );
  });

  it('scales with both models as it should: distance by c, dot product by c², the rest not at all', () => {
    fc.assert(
      fc.property(seeds, factors, (seed, c) => {
        const a = randomModel(seed);
        const b = randomModel('b', seed);
        const plain = values(a, b);
        const big = values(scaled(a, c), scaled(b, c));
        for (const { name } of METRICS) {
          const power = name.endsWith('l2_distance') ? 1 : name.endsWith('dot_product') ? 2 : 0;
          // the study's guard of 1e-10 on sums of singular values shows in effective ranks of small vectors
          expectClose(big[name]! / c ** power, plain[name]!, 1e-6, name);
        }
      }),
      runs,
    );
  });

  it('has its extreme for identical models', () => {
    const a = randomModel(1);
    const found = values(a, a);
    const expected = {
      task_vector_cosine_similarity: 1,
      task_vector_l2_distance: 0,
      weight_space_angle: 0,
      task_vector_magnitude_ratio: 1,
      effective_rank: 1,
      effective_rank_mergeability_score: 1,
      stable_rank: 1,
      spectral_gap: 1,
      singular_value_ratio: 0,
      layerwise_effective_rank: 1,
      layerwise_effective_rank_mergeability_score: 1,
      subspace_overlap: 1 / Math.sqrt(2),
      right_subspace_overlap_top_k: 1,
      interaction_matrix_overlap_top_k: 1,
      singular_value_overlap: 1,
      right_subspace_overlap_bottom_k: 1,
      interaction_matrix_overlap_bottom_k: 1,
      activation_cosine_similarity: 1,
      activation_l2_distance: 0,
      activation_magnitude_ratio: 1,
      encoder_gradient_cosine_similarity: 1,
      encoder_gradient_l2_distance: 0,
      input_gradient_cosine_similarity: 1,
      input_gradient_l2_distance: 0,
    };
    for (const [name, value] of Object.entries(expected)) {
      expectClose(found[name]!, value, 1e-8, name);
    }
    expect(found.task_vector_dot_product).toBeGreaterThan(0);
  });

  it('has its extreme for orthogonal models of one length', () => {
    const even = new Map([['w.weight', { shape: [2, 2], data: [1, 2, 3, 4] }]]);
    const odd = new Map([['w.weight', { shape: [2, 2], data: [-2, 1, -4, 3] }]]);
    const found = values(
      { taskVector: even, gradient: gradientOf(even) },
      { taskVector: odd, gradient: gradientOf(odd) },
    );
    expect(found).toMatchObject({
      task_vector_cosine_similarity: 0,
      task_vector_dot_product: 0,
      weight_space_angle: 90,
      task_vector_magnitude_ratio: 1,
      encoder_gradient_cosine_similarity: 0,
      activation_cosine_similarity: 0,
      input_gradient_dot_product: 0,
    });
    expectClose(found.effective_rank!, 2, 1e-9, 'effective_rank');
    expectClose(found.stable_rank!, 2, 1e-12, 'stable_rank');
    expectClose(found.singular_value_ratio!, 1, 1e-12, 'singular_value_ratio');
  });
});

function gradientOf(tensors: HostModel['taskVector']): NonNullable<HostModel['gradient']> {
  return { tensors, recipe: randomModel(1).gradient!.recipe };
}

describe('the closed forms', () => {
  it('give the singular values of the 2 x D matrix, near-parallel vectors included', () => {
    fc.assert(
      fc.property(seeds, factors, fc.constantFrom(1, 1e-3, 1e-6), (seed, factor, noise) => {
        const a = randomModel(seed);
        const extra = randomTensors('noise', seed);
        const near = mapTensors(a.taskVector, (value, i, name) => value + noise * extra.get(name)!.data[i]!);
        const b = noise === 1 ? scaled({ ...a, taskVector: near }, factor) : { ...a, taskVector: near };
        const flat = (model: HostModel) =>
          [...model.taskVector.values()].flatMap(({ data }) => [...Array.from(data)]);
        const [s1, s2] = new SingularValueDecomposition(new Matrix([flat(a), flat(b)]), {
          autoTranspose: true,
        }).diagonal;
        const found = values(a, b);
        // relative, since small ratios are what cancellation would destroy
        expect(found.singular_value_ratio! / (s2! / s1!)).toBeCloseTo(1, 8);
        expectClose(found.spectral_gap!, (s1! - s2!) / s1!, 1e-10, 'spectral_gap');
        expectClose(found.stable_rank!, (s1! + s2!) ** 2 / (s1! ** 2 + s2! ** 2), 1e-10, 'stable_rank');
      }),
      runs,
    );
  });

  it('keep their digits when the statistics come as float32', () => {
    const a = randomModel(4);
    const extra = randomTensors('noise', 4);
    const near = mapTensors(a.taskVector, (value, i, name) => value + 1e-3 * extra.get(name)!.data[i]!);
    const exact = statistics(a, { ...a, taskVector: near });
    const single = {
      ...exact,
      pair: Float32Array.from(exact.pair),
      live: Float32Array.from(exact.live),
      ref: Float32Array.from(exact.ref),
    };
    const expected = valuesOf(exact);
    for (const [name, value] of Object.entries(valuesOf(single))) {
      expectClose(value / (expected[name] || 1), expected[name] === 0 ? value : 1, 1e-4, name);
    }
  });
});
