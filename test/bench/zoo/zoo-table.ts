/** Nested calibration subsets: the first so many samples of the calibration split, all there are where there are fewer. */
export const CALIBRATION_SIZES = ['8', '32', '128'] as const;
export type CalibrationSize = (typeof CALIBRATION_SIZES)[number];

/** What one seed of the benchmark measured. Accuracies are fractions, losses mean cross-entropies. */
export interface ZooTable {
  readonly seed: number;
  /** names */
  readonly tasks: readonly string[];
  /** merge ids */
  readonly methods: readonly string[];
  /** every unordered pair, a before b in `tasks` */
  readonly pairs: readonly ZooPair[];
  /** by task: its own model alone */
  readonly own: Readonly<Record<string, PartsEvaluated>>;
  /** by task: base + 0.5 tau of its own model */
  readonly half: Readonly<Record<string, Pick<PartsEvaluated, 'calibration'>>>;
}

export interface Evaluated {
  readonly accuracy: number;
  readonly loss: number;
  readonly samples: number;
}

export interface PartsEvaluated {
  readonly test: Evaluated;
  readonly calibration: Readonly<Record<CalibrationSize, Evaluated>>;
}

export interface ZooPair {
  readonly a: string;
  readonly b: string;
  /** the 28 metrics, null where one could not be computed */
  readonly metrics: Readonly<Record<string, number | null>>;
  /** by merge id: the merged model on both tasks */
  readonly merges: Readonly<Record<string, { readonly a: PartsEvaluated; readonly b: PartsEvaluated }>>;
}
