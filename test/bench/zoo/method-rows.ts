import type { Fitter } from '../../../src/fingerprint/fitter.js';
import type { Example } from '../../../src/fingerprint/linear-model.js';
import type { Predictor } from './predictors.js';

/** The rows of one merge method in one table, and what fits them. */
export interface MethodRows {
  readonly fitter: Fitter;
  /** of the rows: says which table and method they are of */
  readonly label: string;
  /** metrics and measurements, the names of `values` */
  readonly columns: readonly string[];
  /** the first so many columns are metrics */
  readonly metrics: number;
  readonly examples: readonly Example[];
}

/** Whether the rows have what the predictor needs. */
export function isUsable({ name, measurements }: Predictor, { columns, metrics }: MethodRows): boolean {
  const needsMetrics = name === 'metrics' || name === 'both';
  return (
    measurements.every((measurement) => columns.includes(measurement)) && !(needsMetrics && metrics === 0)
  );
}
