import type { SampleGain } from './equal-samples.js';
import type { MethodFigures } from './method-figures.js';

/** What `analyse` found; fractions, not points. */
export interface ZooReport {
  readonly seeds: readonly number[];
  /** of weights: chosen inside the training folds, or the default ones */
  readonly penalties: 'nested' | 'default';
  readonly relabellings: number;
  readonly resamples: number;
  /** pairs of a table, the most of any seed */
  readonly pairs: number;
  /** by merge id */
  readonly methods: Readonly<Record<string, MethodFigures>>;
  /** the probe against everything, all merge methods together */
  readonly together: readonly SampleGain[];
  /** once more without the tasks that merges hurt most, which carry much of every correlation */
  readonly withoutFragile: {
    readonly left: readonly { readonly seed: number; readonly tasks: readonly string[] }[];
    readonly methods: Readonly<Record<string, MethodFigures>>;
    readonly together: readonly SampleGain[];
  };
}
