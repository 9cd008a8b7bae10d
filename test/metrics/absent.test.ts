import { describe, expect, it } from 'vitest';
import {
  computePairMetrics,
  type GradientRecipe,
  type HostModel,
  hostStatistics,
  METRICS,
  metric,
  metricNames,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../../src/metrics/index.js';
import { mapTensors, RECIPE, randomModel, scaled } from './models.js';

const GRADIENT_NAMES = METRICS.filter(({ family }) => family === 'gradient').map(({ name }) => name);
const SUBSPACE_NAMES = METRICS.filter(({ family }) => family === 'subspace').map(({ name }) => name);

function statistics(live: HostModel = randomModel(1), reference: HostModel = randomModel(2)): PairStatistics {
  return hostStatistics({ live, references: [{ ...reference, name: 'mnist' }] });
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

describe('registry', () => {
  it('has 18 entries with distinct names, each complete', () => {
    expect(metricNames).toHaveLength(18);
    expect(new Set(metricNames).size).toBe(18);
    for (const entry of METRICS) {
      expect(metric(entry.name)).toBe(entry);
      expect(entry.lane).toBe('fast');
      expect(entry.meaning).toMatch(/\.$/);
      expect(entry.source).toContain('arXiv 2601.22285');
    }
  });

  it('lists the known metrics when asked for an unknown one', () => {
    expect(() => metric('cosine')).toThrow(
      /unknown metric "cosine"; known are task_vector_cosine_similarity, /,
    );
  });

  it('has every value of two ordinary models', () => {
    expect(reasons(statistics())).toEqual({});
  });

  it('refuses arrays of the wrong length and references that are not there, all at once', () => {
    const broken = { ...statistics(), live: new Float32Array(3), pair: new Float32Array(1) };
    expect(() => computePairMetrics(broken, 1)).toThrow(
      /1 references and 4 tensors.*\n.*reference 1 was asked for, there are 1.*\n.*pair has 1 entries, 32 are due\n.*live has 3 entries, 16/,
    );
  });
});

describe('task vectors without a direction', () => {
  it('leave distance and dot product, and say why the rest is null', () => {
    const found = reasons(statistics(scaled(randomModel(1), 0)));
    const undefinedNames = METRICS.filter(({ family }) => family !== 'gradient')
      .map(({ name }) => name)
      .filter((name) => !['task_vector_l2_distance', 'task_vector_dot_product'].includes(name));
    expect(Object.keys(found).sort()).toEqual(
      [...undefinedNames, 'encoder_gradient_cosine_similarity'].sort(),
    );
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
    const found = reasons({
      ...statistics(),
      absent: { subspace: 'first subspaces come at step 20', gradient: 'frozen' },
    });
    expect(Object.keys(found).sort()).toEqual([...SUBSPACE_NAMES, ...GRADIENT_NAMES].sort());
    expect(found.subspace_overlap).toBe('first subspaces come at step 20');
    expect(found.encoder_gradient_dot_product).toBe('frozen');
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
