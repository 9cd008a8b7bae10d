export {
  type HostModel,
  type HostStatisticsOptions,
  hostStatistics,
  type NumericTensor,
  type NumericTensors,
} from './host-statistics.js';
export type { Metric, MetricFamily, MetricValue, PairMetrics } from './metric.js';
export {
  FUNCTIONAL,
  FUNCTIONAL_WIDTH,
  type GradientRecipe,
  PAIR,
  PAIR_WIDTH,
  PARTS,
  type PairStatistics,
  type Part,
  type SelfProbe,
  SIDE,
  SIDE_WIDTH,
  TURN_WIDTH,
  type Turns,
  UNMOVED,
} from './pair-statistics.js';
export { computePairMetrics, METRICS, metric, metricNames } from './registry.js';
