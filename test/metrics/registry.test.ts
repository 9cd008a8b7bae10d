import { describe, expect, it } from 'vitest';
import { METRICS, metric, metricNames } from '../../src/metrics/index.js';

type Row = [
  name: string,
  family: string,
  needs: string[],
  lane: string,
  range: (number | null)[],
  better: string,
];

/** METRICS.md, in its order. */
const TABLE: Row[] = [
  ['task_vector_cosine_similarity', 'task_vector', [], 'fast', [-1, 1], 'higher'],
  ['task_vector_l2_distance', 'task_vector', [], 'fast', [0, null], 'lower'],
  ['task_vector_dot_product', 'task_vector', [], 'fast', [null, null], 'none'],
  ['weight_space_angle', 'task_vector', [], 'fast', [0, 180], 'lower'],
  ['task_vector_magnitude_ratio', 'task_vector', [], 'fast', [0, 1], 'higher'],
  ['effective_rank', 'effective_rank', [], 'fast', [1, 2], 'lower'],
  ['effective_rank_mergeability_score', 'effective_rank', [], 'fast', [0, 1], 'higher'],
  ['stable_rank', 'effective_rank', [], 'fast', [1, 2], 'lower'],
  ['spectral_gap', 'effective_rank', [], 'fast', [0, 1], 'higher'],
  ['singular_value_ratio', 'effective_rank', [], 'fast', [0, 1], 'lower'],
  ['layerwise_effective_rank', 'effective_rank', [], 'fast', [1, 2], 'lower'],
  ['layerwise_effective_rank_mergeability_score', 'effective_rank', [], 'fast', [0, 1], 'higher'],
  ['singular_value_overlap', 'subspace', ['spectra'], 'slow', [0, 1], 'higher'],
  ['subspace_overlap', 'subspace', ['subspace'], 'fast', [0, 1], 'higher'],
  ['right_subspace_overlap_top_k', 'subspace', ['subspace'], 'fast', [0, 1], 'higher'],
  ['right_subspace_overlap_bottom_k', 'subspace', ['bottom'], 'slow', [0, 1], 'higher'],
  ['interaction_matrix_overlap_top_k', 'subspace', ['subspace'], 'fast', [0, 1], 'higher'],
  ['interaction_matrix_overlap_bottom_k', 'subspace', ['bottom'], 'slow', [0, 1], 'higher'],
  ['activation_l2_distance', 'activation', ['activation'], 'slow', [0, null], 'lower'],
  ['activation_cosine_similarity', 'activation', ['activation'], 'slow', [-1, 1], 'higher'],
  ['activation_magnitude_ratio', 'activation', ['activation'], 'slow', [0, 1], 'higher'],
  ['activation_dot_product', 'activation', ['activation'], 'slow', [null, null], 'none'],
  ['encoder_gradient_cosine_similarity', 'gradient', ['gradient'], 'fast', [-1, 1], 'higher'],
  ['encoder_gradient_l2_distance', 'gradient', ['gradient'], 'fast', [0, null], 'lower'],
  ['encoder_gradient_dot_product', 'gradient', ['gradient'], 'fast', [null, null], 'none'],
  ['input_gradient_cosine_similarity', 'gradient', ['inputGradient'], 'slow', [-1, 1], 'higher'],
  ['input_gradient_l2_distance', 'gradient', ['inputGradient'], 'slow', [0, null], 'lower'],
  ['input_gradient_dot_product', 'gradient', ['inputGradient'], 'slow', [null, null], 'none'],
];

describe('the registry', () => {
  it('has exactly the 28 metrics of the study, in its order', () => {
    expect(metricNames).toEqual(TABLE.map(([name]) => name));
  });

  it.each(TABLE)(
    '%s: family, needs, lane, range and direction',
    (name, family, needs, lane, range, better) => {
      const found = metric(name);
      expect([found.family, found.needs, found.lane, found.range, found.better]).toEqual([
        family,
        needs,
        lane,
        range,
        better,
      ]);
    },
  );

  it('says of each in a sentence what it means, no two alike, and where it is from', () => {
    for (const { meaning, source } of METRICS) {
      expect(meaning).toMatch(/\w.{20,}\.$/);
      expect(source).toMatch(/^arXiv 2601\.22285, /);
    }
    expect(new Set(METRICS.map(({ meaning }) => meaning)).size).toBe(28);
  });

  it('lists the known metrics when asked for an unknown one', () => {
    expect(() => metric('cosine')).toThrow(
      /unknown metric "cosine"; known are task_vector_cosine_similarity, /,
    );
  });
});
