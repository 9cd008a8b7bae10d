import type { AlertEvent, GuardEvent, PairReport, Score, TickEvent } from '../../src/guard/events.js';

/** A run as a guard would report it: 4 references, 3 methods, 100 ticks. Same seed, same events. */

export const REFERENCES = ['mnist', 'notmnist', 'omniglot-korean', 'omniglot-greek'];
export const METHODS = ['weight_avg', 'task_arithmetic', 'ties'];
const EVERY = 4;
const BASE = { weight_avg: 0.93, task_arithmetic: 0.89, ties: 0.91 } as Record<string, number>;
const SPREAD = { weight_avg: 0.03, task_arithmetic: 0.05, ties: 0.04 } as Record<string, number>;
const DROP = { weight_avg: 0.06, task_arithmetic: 0.2, ties: 0.11 } as Record<string, number>;
const UNSTREAMED = ['activation_cosine_similarity', 'input_gradient_dot_product'];

/** mulberry32: numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function timeAt(step: number): string {
  return new Date(Date.UTC(2025, 0, 15, 10, 0, 0) + step * 80).toISOString();
}

function metricsAt(progress: number, r: number, noise: () => number): PairReport['metrics'] {
  const cosine = 0.12 + 0.08 * r - 0.1 * progress + 0.01 * noise();
  const rank = 2 - Math.abs(cosine) * 0.6;
  return {
    task_vector_cosine_similarity: cosine,
    task_vector_l2_distance: 2.1 + 3.4 * progress + 0.05 * noise(),
    task_vector_dot_product: cosine * 4.2 * progress,
    weight_space_angle: (Math.acos(cosine) * 180) / Math.PI,
    task_vector_magnitude_ratio: progress < 0.01 ? null : Math.min(1, 0.2 + 0.8 * progress),
    effective_rank: rank,
    effective_rank_mergeability_score: Math.max(0, 2 - rank),
    stable_rank: 1.9 - 0.1 * progress,
    spectral_gap: 0.04 + 0.02 * noise(),
    singular_value_ratio: 0.95 - 0.02 * noise(),
    layerwise_effective_rank: 1.93 - 0.04 * progress,
    layerwise_effective_rank_mergeability_score: 0.07 + 0.04 * progress,
    subspace_overlap: 0.13 + 0.01 * noise(),
    right_subspace_overlap_top_k: 0.31 + 0.02 * noise(),
    singular_value_overlap: 0.91 + 0.02 * progress,
    interaction_matrix_overlap_top_k: 0.096 + 0.01 * noise(),
    encoder_gradient_cosine_similarity: 0.05 - 0.16 * progress + 0.04 * noise(),
    encoder_gradient_l2_distance: 0.61 - 0.2 * progress,
    encoder_gradient_dot_product: -0.0021 + 0.0004 * noise(),
    activation_cosine_similarity: null,
    input_gradient_dot_product: null,
  };
}

function reasonsFor(metrics: PairReport['metrics']): Record<string, string> {
  const reasons: Record<string, string> = {};
  for (const [name, value] of Object.entries(metrics)) {
    if (value === null) {
      reasons[name] = UNSTREAMED.includes(name)
        ? 'no calibration batch for the live task'
        : 'a task vector has norm 0';
    }
  }
  return reasons;
}

function scoreAt(method: string, r: number, progress: number, own: number, noise: () => number): Score {
  if (progress === 0) {
    const nothing = { value: null, low: null, high: null, raw: null, inDomain: false };
    const rest = { level: 0.8, outside: [], contributions: [], basis: [] };
    return { method, ...nothing, ...rest, reason: 'the live model is still the base: tau is zero' };
  }
  const value = BASE[method]! - 0.015 * r - DROP[method]! * progress ** 2 + 0.01 * (noise() - 0.5);
  const half = SPREAD[method]! * (1.4 - 0.6 * progress);
  const inDomain = !(r === 3 && progress > 0.7);
  return {
    method,
    value,
    low: value - half,
    high: Math.min(1.02, value + half),
    level: 0.8,
    raw: value * own,
    inDomain,
    outside: inDomain
      ? []
      : [{ metric: 'task_vector_l2_distance', value: 2.1 + 3.4 * progress, low: 0.4, high: 4.1 }],
    contributions: [
      { feature: 'effect omniglot', points: -3.2 * progress - r },
      { feature: 'task_vector_l2_distance', points: -2.4 * progress },
      { feature: 'encoder_gradient_cosine_similarity', points: 1.1 - progress },
      { feature: 'subspace_overlap', points: 0.3 },
    ],
    basis: ['metrics', 'effect', 'self-probe'],
  };
}

function tickAt(run: string, tick: number, ticks: number, noise: () => number): TickEvent {
  const progress = tick / Math.max(1, ticks - 1);
  const own = 0.55 + 0.4 * Math.min(1, 2 * progress);
  const step = tick * EVERY;
  const pairs = REFERENCES.map((reference, r) => {
    const metrics = metricsAt(progress, r, noise);
    const scores = METHODS.map((method) => scoreAt(method, r, progress, own, noise));
    return { reference, metrics, reasons: reasonsFor(metrics), scores };
  });
  const scaled = own * (1 - 0.12 * progress);
  const probe = { scale: 0.5, accuracy: own, scaledAccuracy: scaled, loss: 0.4, scaledLoss: 0.7 };
  return {
    event: 'tick',
    run,
    time: timeAt(step),
    step,
    pairs,
    ages: tick < 3 ? {} : { singular_value_overlap: 12 },
    pool: METHODS.map((method, m) => {
      const value = 0.82 - 0.2 * progress - 0.02 * m;
      const common = { method, references: [...REFERENCES], level: 0.8, pairs: value + 0.1 };
      return m === 1
        ? { ...common, value: null, low: null, high: null, reason: 'fitted on pairs only' }
        : { ...common, value, low: value - 0.06, high: value + 0.06 };
    }),
    live: { tauNorm: 0.02 + 4 * progress, gradientNorm: 0.6 - 0.3 * progress },
    selfProbe: tick < 3 ? null : { ...probe, samples: 128, step: step - (step % 20) },
    cost: {
      stepMs: 74.2 + noise(),
      foldMs: 0.41,
      tickMs: 3.6,
      probeMs: 11.8,
      slowMs: 0.6,
      functionalMs: 14.2,
      termMs: null,
      overhead: tick === 0 ? null : 0.014 + 0.004 * noise(),
      every: tick === 0 ? null : EVERY,
    },
    dropped: { ticks: tick > 60 ? 1 : 0, nonFinite: 0, perturbed: 0 },
  };
}

function alertAt(
  run: string,
  step: number,
  rest: Omit<AlertEvent, 'event' | 'run' | 'time' | 'step'>,
): AlertEvent {
  return { event: 'alert', run, time: timeAt(step), step, ...rest };
}

function alertsAt(run: string, step: number): AlertEvent[] {
  const rule = { rule: 'accuracy', level: 'warning', method: 'task_arithmetic' } as const;
  const reference = 'omniglot-greek';
  switch (step) {
    case 120: {
      const text =
        'the gradients of the live model and notmnist have pointed against each other for 20 ticks';
      const words = {
        rule: 'conflict',
        title: 'gradient conflict with notmnist',
        text,
        reference: 'notmnist',
      };
      return [alertAt(run, step, { ...words, state: 'raised', level: 'info', evidence: { cosine: -0.06 } })];
    }
    case 200: {
      const words = {
        title: 'conflict is over',
        text: 'the gradients no longer disagree',
        reference: 'notmnist',
      };
      const evidence = { cosine: -0.01 };
      return [alertAt(run, step, { ...words, rule: 'conflict', state: 'cleared', level: 'info', evidence })];
    }
    case 280: {
      const text =
        'task_arithmetic with omniglot-greek is predicted at 71.3 % raw accuracy, under the 75 % set';
      const words = {
        title: 'predicted accuracy under 75 %',
        text,
        evidence: { raw: 0.713, threshold: 0.75 },
      };
      return [alertAt(run, step, { ...rule, ...words, reference, state: 'raised' })];
    }
    case 340: {
      const text = 'step 337: 12 of 341,770 gradient entries are NaN; the step was not folded';
      const words = { rule: 'non-finite', title: 'NaN in the gradients', text, evidence: { count: 12 } };
      return [alertAt(run, step, { ...words, state: 'raised', level: 'error' })];
    }
    default:
      return [];
  }
}

/** hello, progress, `ticks` ticks four steps apart, four alerts, two steers, a merge probe and (unless told not to) end. */
export function sampleEvents(options: { run?: string; ticks?: number; end?: boolean } = {}): GuardEvent[] {
  const { run = 'kannada-7', ticks = 100, end = true } = options;
  const noise = seeded(7);
  const last = (ticks - 1) * EVERY;
  const events: GuardEvent[] = [
    {
      event: 'hello',
      run,
      time: timeAt(0),
      step: 0,
      version: '0.1.0',
      protocol: 4,
      backend: 'wasm',
      backendDescription: '@tensorflow/tfjs-backend-wasm 4.22.0',
      references: REFERENCES.map((name, r) => ({
        name,
        limits: r === 3 ? ['no calibration samples: can not be probed'] : [],
      })),
      methods: METHODS,
      fingerprint: 'demo',
      fingerprintLimits: [
        'ties: predicted by the variant "weights", since the stream does not offer activations',
      ],
      coverage: {
        matched: 34,
        total: 36,
        parameters: 0.984,
        excluded: [{ name: 'head.weight', reason: 'task head' }],
      },
      config: {},
    },
    { event: 'progress', run, time: timeAt(0), step: 0, phase: 'reference mnist', done: 120, total: 300 },
  ];
  for (let tick = 0; tick < ticks; tick++) {
    const step = tick * EVERY;
    const common = { run, time: timeAt(step), step };
    const loss = 2.1 * Math.exp(-3 * (tick / ticks));
    events.push({ event: 'progress', ...common, phase: 'train', done: step, total: last, loss });
    events.push(tickAt(run, tick, ticks, noise), ...alertsAt(run, step));
    if (step === 0 || step === 284) {
      const terms = [
        { term: 'scale_jitter', strength: step === 0 ? 0.2 : 1, parameters: { low: 0.2, high: 0.7 } },
      ];
      const reason =
        step === 0 ? 'fixed strength from the configuration' : 'predicted accuracy under its target';
      events.push({ event: 'steer', ...common, terms, lifetimeSteps: step === 0 ? null : 50, reason });
    }
    if (step === 300) {
      const probe = {
        kind: 'merge',
        method: 'ties',
        reference: 'mnist',
        accuracy: 0.861,
        normalised: 0.902,
        loss: 0.52,
        normalisedStandardError: 0.014,
        lossStandardError: 0.04,
        tasks: {
          live: { accuracy: 0.844, loss: 0.61, ownAccuracy: 0.969, ownLoss: 0.11, samples: 64 },
          reference: { accuracy: 0.878, loss: 0.43, ownAccuracy: 0.953, ownLoss: 0.15, samples: 64 },
        },
        best: { coefficient: 0.8, accuracy: 0.882, loss: 0.45, standardError: 0.028 },
      } as const;
      events.push({ event: 'probe', ...common, ...probe, standardError: 0.031, samples: 128 });
    }
  }
  if (end) {
    const summary = { accuracy: 0.95, ticks };
    events.push({ event: 'end', run, time: timeAt(last), step: last, status: 'done', summary });
  }
  return events;
}
