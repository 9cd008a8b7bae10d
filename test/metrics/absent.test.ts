import { describe, expect, it } from 'vitest';
import {
  computePairMetrics,
  type GradientRecipe,
  type HostModel,
  hostStatistics,
  METRICS,
  metricNames,
  PAIR,
  PAIR_WIDTH,
  PARTS,
  type PairStatistics,
  type Part,
  SIDE,
  SIDE_WIDTH,
} from '../../src/metrics/index.js';
import { mapTensors, measured, RECIPE, randomModel, scaled } from './models.js';

const needing = (part: Part) => METRICS.filter(({ needs }) => needs.includes(part)).map(({ name }) => name);
const GRADIENT_NAMES = needing('gradient');
const SUBSPACE_NAMES = METRICS.filter(({ family }) => family === 'subspace').map(({ name }) => name);

function statistics(live: HostModel = randomModel(1), reference: HostModel = randomModel(2)): PairStatistics {
  return measured(live, reference, 'mnist');
}

/** reason by name of the metrics that are null */
function reasons(given: PairStatistics): Record<string, string> {
  return Object.fromEntries(
    Object.entries(computePairMetrics(given, 0)).flatMap(([name, found]) =>
      found.value === null ? [[name, found.reason]] : [],
    ),
  );
}

function withRecipe(model: HostModel, change: Partial<GradientRecipe>): HostModel {
  return { ...model, gradient: { ...model.gradient!, recipe: { ...RECIPE, ...change } } };
}

describe('computePairMetrics', () => {
  it('has every value of two ordinary models', () => {
    expect(reasons(statistics())).toEqual({});
  });

  it('refuses arrays of the wrong length and references that are not there, all at once', () => {
    const broken = { ...statistics(), live: new Float32Array(3), pair: new Float32Array(1) };
    expect(() => computePairMetrics(broken, 1)).toThrow(
      /1 references and 4 tensors.*\n.*reference 1 was asked for, there are 1.*\n.*pair has 1 entries, 32 are due\n.*live has 3 entries, 20/,
    );
  });
});

describe('task vectors without a direction', () => {
  it('leave distance and dot product, and say why the rest is null', () => {
    const found = reasons(statistics(scaled(randomModel(1), 0)));
    const withoutValue = metricNames.filter((name) => !/l2_distance$|dot_product$/.test(name));
    expect(Object.keys(found).sort()).toEqual([...withoutValue].sort());
    expect(found.task_vector_cosine_similarity).toBe(
      "the norm of the live model's task vector is 0: under 1e-8",
    );
    expect(found.layerwise_effective_rank).toBe('no tensor was moved from the base by both models');
    expect(found.subspace_overlap).toBe('no 2-D tensor was moved from the base by both models');
  });

  it('take effect under a norm of 1e-8, on either side', () => {
    const live = randomModel(1);
    const squares = Array.from(statistics(live).live).filter((_, i) => i % SIDE_WIDTH === SIDE.tauNorm);
    const norm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
    const short = scaled(live, 0.99e-8 / norm);
    expect(reasons(statistics(short))).toHaveProperty('task_vector_magnitude_ratio');
    expect(reasons(statistics(randomModel(2), short)).weight_space_angle).toMatch(/reference's task vector/);
    expect(reasons(statistics(scaled(live, 1.01e-8 / norm)))).not.toHaveProperty(
      'task_vector_magnitude_ratio',
    );
  });

  it('in one tensor leave that tensor out of the means', () => {
    const still = (model: HostModel) => ({
      ...model,
      taskVector: mapTensors(
        model.taskVector,
        (value, _, name) => (name === 'up.weight' ? 1e-13 : 1) * value,
      ),
    });
    const without = (model: HostModel) => ({
      taskVector: new Map([...model.taskVector].filter(([name]) => name !== 'up.weight')),
    });
    const found = computePairMetrics(statistics(still(randomModel(1))), 0);
    const expected = computePairMetrics(statistics(without(randomModel(1)), without(randomModel(2))), 0);
    for (const name of ['layerwise_effective_rank', ...SUBSPACE_NAMES]) {
      expect(found[name]!.value, name).toBeCloseTo(expected[name]!.value!, 12);
    }
  });
});

describe('numbers that were not measured', () => {
  it('name the tensors: NaN weights', () => {
    const live = randomModel(1);
    const broken = mapTensors(live.taskVector, (value, i, name) =>
      name !== 'norm.weight' && i === 0 ? Number.NaN : value,
    );
    const found = reasons(statistics({ ...live, taskVector: broken }));
    expect(found.task_vector_l2_distance).toBe(
      'the task vector numbers of down.weight are missing or not finite (and 2 more)',
    );
    expect(found.layerwise_effective_rank).toMatch(/down.weight/);
    expect(found.subspace_overlap).toMatch(/subspace overlaps of down.weight/);
    expect(found).not.toHaveProperty('encoder_gradient_l2_distance');
  });

  it('give the reason of the part when the statistics have one', () => {
    for (const part of PARTS) {
      const expected = Object.fromEntries(needing(part).map((name) => [name, `no ${part} yet`]));
      expect(reasons({ ...statistics(), absent: { [part]: `no ${part} yet` } })).toEqual(expected);
    }
  });

  it('give the reason of the reference when that alone lacks a part', () => {
    const given = hostStatistics({
      live: randomModel(1),
      references: [2, 3].map((seed) => ({ ...randomModel(seed), name: `r${seed}` })),
    });
    const parts: Part[] = ['subspace', 'bottom', 'spectra', 'activation', 'inputGradient'];
    for (const part of parts) {
      const lacking = { ...given, absent: {}, referenceAbsent: [{}, { [part]: `r3 has no ${part}` }] };
      const found = (r: number) =>
        Object.entries(computePairMetrics(lacking, r)).flatMap(([name, one]) =>
          one.value === null && one.reason === `r3 has no ${part}` ? [name] : [],
        );
      expect([found(0), found(1)], part).toEqual([[], needing(part)]);
    }
  });

  it('include a single subspace overlap of a matrix that has moved', () => {
    const given = statistics();
    const matrix = given.tensors.findIndex(({ name }) => name === 'up.weight');
    given.pair[matrix * PAIR_WIDTH + PAIR.leftTop] = Number.NaN;
    expect(reasons(given)).toEqual({
      subspace_overlap: 'the subspace overlaps of up.weight are missing or not finite',
    });
  });
});

describe('subspaces that do not compare', () => {
  it('because k differs', () => {
    const given = statistics();
    given.ref[given.tensors.findIndex(({ name }) => name === 'up.weight') * SIDE_WIDTH + SIDE.leftK] = 3;
    expect(reasons(given)).toEqual({
      subspace_overlap: 'the subspaces of up.weight have k = 4 in the live model, 3 in the reference',
    });
  });

  it('because the bases are not orthonormal; rounding is forgiven', () => {
    const given = statistics();
    const cell = given.tensors.findIndex(({ name }) => name === 'up.weight') * PAIR_WIDTH;
    given.pair[cell + PAIR.leftTop] = 4.1;
    expect(reasons(given).subspace_overlap).toMatch(/overlap of up.weight is 4.1, over k = 4/);
    given.pair[cell + PAIR.leftTop] = 4.0001;
    expect(reasons(given)).toEqual({});
  });
});

describe('gradient metrics', () => {
  const live = randomModel(1);
  const bare = { taskVector: live.taskVector };

  it('are null without a gradient on either side', () => {
    expect(reasons(statistics(bare))).toEqual(
      Object.fromEntries(GRADIENT_NAMES.map((name) => [name, 'no gradient of the live model was given'])),
    );
    expect(reasons({ ...statistics(bare), absent: {} }).encoder_gradient_dot_product).toBe(
      'no gradient of the live model has been taken yet',
    );
    expect(reasons(statistics(live, bare)).encoder_gradient_l2_distance).toBe(
      'reference mnist has no stored gradient',
    );
  });

  it('are null while a loss scale is in a gradient', () => {
    const found = reasons(statistics(withRecipe(live, { lossScale: 1024 })));
    expect(Object.keys(found)).toEqual(GRADIENT_NAMES);
    expect(found.encoder_gradient_dot_product).toMatch(/loss scale .*1024.*unscale/);
  });

  it('keep only the cosine when reduction or clipping differ, and say both', () => {
    const found = reasons(statistics(withRecipe(live, { reduction: 'sum', clipped: true })));
    expect(Object.keys(found)).toEqual(['encoder_gradient_l2_distance', 'encoder_gradient_dot_product']);
    expect(found.encoder_gradient_l2_distance).toBe(
      'lengths of the two gradients do not compare: the live one is a sum over the batch, the stored one a mean; the live one is clipped, the other is not',
    );
  });

  it('compare gradients of different kind, batch and accumulation: that is for the fingerprint to judge', () => {
    expect(reasons(statistics(withRecipe(live, { kind: 'ema', batch: 8, accumulated: 4 })))).toEqual({});
  });

  it('have no cosine when a gradient is zero', () => {
    const zero = scaled(randomModel(3), 0);
    expect(reasons(statistics({ ...live, gradient: zero.gradient! }))).toEqual({
      encoder_gradient_cosine_similarity: "the norm of the live model's gradient is 0: under 1e-8",
    });
  });
});
