import type { PairReport, Score, TickEvent } from '../../src/guard/events.js';
import type { Observation, RunSetup } from '../../src/guard/types.js';
import {
  FUNCTIONAL_WIDTH,
  type GradientRecipe,
  PAIR_WIDTH,
  type PairStatistics,
  type SelfProbe,
  SIDE,
  SIDE_WIDTH,
} from '../../src/metrics/index.js';

const recipe = (kind: GradientRecipe['kind']): GradientRecipe => ({
  kind,
  batch: 32,
  reduction: 'mean',
  clipped: false,
  accumulated: 1,
  lossScale: 1,
});

/** What this run does not measure. */
const OFF = { bottom: 'off', spectra: 'off', activation: 'off', inputGradient: 'off' };

export const setup: RunSetup = {
  run: 'run-1',
  backend: 'cpu',
  references: [
    { name: 'mnist', limits: [] },
    { name: 'greek', limits: ['no head: no merge probe'] },
  ],
  coverage: { matched: 2, total: 3, parameters: 0.9, excluded: [{ name: 'head.weight', reason: 'head' }] },
  unmeasured: { ...OFF },
};

export const selfProbe: SelfProbe = {
  scale: 0.5,
  accuracy: 0.9,
  scaledAccuracy: 0.8,
  loss: 0.3,
  scaledLoss: 0.6,
  samples: 128,
  step: 5,
};

/** Statistics of 2 references and 2 tensors in which everything is 1, or what `change` makes of them. */
export function statistics(step: number, change: (made: PairStatistics) => void = () => {}): PairStatistics {
  const made: PairStatistics = {
    run: 'run-1',
    step,
    time: new Date(Date.UTC(2026, 0, 1) + step * 1000).toISOString(),
    references: ['mnist', 'greek'],
    tensors: [
      { name: 'a.weight', shape: [4, 4] },
      { name: 'a.bias', shape: [4] },
    ],
    pair: new Float32Array(2 * 2 * PAIR_WIDTH).fill(1),
    live: new Float32Array(2 * SIDE_WIDTH).fill(1),
    ref: new Float32Array(2 * 2 * SIDE_WIDTH).fill(1),
    functional: new Float32Array(2 * FUNCTIONAL_WIDTH).fill(1),
    gradient: recipe('ema'),
    referenceGradients: [recipe('calibration'), recipe('calibration')],
    absent: { ...OFF },
    referenceAbsent: [{}, {}],
    measuredAt: {},
    selfProbe: null,
  };
  change(made);
  return made;
}

export function liveTauNorm(made: PairStatistics, tensor: number, value: number): void {
  made.live[tensor * SIDE_WIDTH + SIDE.tauNorm] = value;
}

export function observation(step: number, change?: (made: PairStatistics) => void): Observation {
  return {
    statistics: statistics(step, change),
    cost: {
      stepMs: 10,
      foldMs: 0.1,
      tickMs: 1,
      probeMs: null,
      slowMs: null,
      functionalMs: null,
      termMs: null,
      overhead: 0.02,
      every: 10,
    },
    skipped: { nonFinite: 0, perturbed: 0 },
  };
}

export function score(given: Partial<Score>): Score {
  return {
    method: 'ties',
    value: 0.9,
    low: 0.85,
    high: 0.95,
    level: 0.8,
    raw: null,
    inDomain: true,
    outside: [],
    contributions: [],
    basis: ['metrics'],
    ...given,
  };
}

/** A tick with one pair, mnist. */
export function tick(step: number, pair: Partial<PairReport>, change: Partial<TickEvent> = {}): TickEvent {
  return {
    event: 'tick',
    run: 'run-1',
    time: '2026-01-01T00:00:00.000Z',
    step,
    pairs: [{ reference: 'mnist', metrics: {}, reasons: {}, scores: [], ...pair }],
    ages: {},
    pool: [],
    live: { tauNorm: 1, gradientNorm: 1 },
    selfProbe: null,
    cost: {
      stepMs: null,
      foldMs: null,
      tickMs: null,
      probeMs: null,
      slowMs: null,
      functionalMs: null,
      termMs: null,
      overhead: null,
      every: null,
    },
    dropped: { ticks: 0, nonFinite: 0, perturbed: 0 },
    ...change,
  };
}
