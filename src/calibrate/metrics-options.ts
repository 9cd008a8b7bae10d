import type { Finding } from '../at-rest/index.js';

/** What metrics are measured by. */
export type MetricsStage = 'weight metrics' | 'metrics through the hook';

export interface MetricsOptions {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** `done` of `total`: parameters of weight metrics, pairs of metrics through the hook */
  readonly onProgress?: (stage: MetricsStage, done: number, total: number) => void;
  readonly onFindings?: (findings: readonly Finding[]) => void;
}
