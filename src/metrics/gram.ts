import type { MetricValue } from './metric.js';
import {
  FUNCTIONAL,
  FUNCTIONAL_WIDTH,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  type Part,
  SIDE,
  SIDE_WIDTH,
  TURN_WIDTH,
} from './pair-statistics.js';

/** What two vectors a and b, live and reference, are to each other: ‖a‖², ‖b‖², a.b and ‖a - b‖². */
export interface Gram {
  readonly a: number;
  readonly b: number;
  readonly dot: number;
  readonly distance: number;
}

/** Where a kind of vector lies in PairStatistics. */
interface Columns {
  readonly what: string;
  readonly norm: number;
  readonly dot: number;
  readonly distance: number;
}

export const TAU: Columns = {
  what: 'task vector',
  norm: SIDE.tauNorm,
  dot: PAIR.tauDot,
  distance: PAIR.tauDistance,
};

export const GRADIENT: Columns = {
  what: 'gradient',
  norm: SIDE.gradientNorm,
  dot: PAIR.gradientDot,
  distance: PAIR.gradientDistance,
};

/** Where a kind of vector that belongs to no tensor lies in PairStatistics. */
interface FunctionalColumns {
  readonly what: string;
  readonly part: Part;
  /** ‖a‖², ‖b‖², a.b, ‖a - b‖² */
  readonly columns: readonly [number, number, number, number];
}

export const ACTIVATION: FunctionalColumns = {
  what: 'mean activation',
  part: 'activation',
  columns: [
    FUNCTIONAL.activationLive,
    FUNCTIONAL.activationReference,
    FUNCTIONAL.activationDot,
    FUNCTIONAL.activationDistance,
  ],
};

export const INPUT_GRADIENT: FunctionalColumns = {
  what: 'input gradient',
  part: 'inputGradient',
  columns: [
    FUNCTIONAL.inputGradientLive,
    FUNCTIONAL.inputGradientReference,
    FUNCTIONAL.inputGradientDot,
    FUNCTIONAL.inputGradientDistance,
  ],
};

/** Vectors shorter than this have no direction (METRICS.md; the study returns 0 there). */
export const SMALLEST_NORM = 1e-8;

/** Single tensors moved by less than this are left out of layerwise and subspace means (METRICS.md). */
export const SMALLEST_TENSOR_NORM = 1e-10;

/** The numbers of tensor t alone, all of the tick that compared the pair. */
export function tensorGram(statistics: PairStatistics, reference: number, t: number, columns: Columns): Gram {
  const cell = reference * statistics.tensors.length + t;
  const { live, turns } = statistics;
  return {
    a: turns ? turns.live[cell * TURN_WIDTH + columns.norm]! : live[t * SIDE_WIDTH + columns.norm]!,
    b: statistics.ref[cell * SIDE_WIDTH + columns.norm]!,
    dot: statistics.pair[cell * PAIR_WIDTH + columns.dot]!,
    distance: statistics.pair[cell * PAIR_WIDTH + columns.distance]!,
  };
}

/** The numbers of all tensors together, summed in float64, or the reason why there are none. */
export function sumGram(
  statistics: PairStatistics,
  reference: number,
  columns: Columns,
): Gram | { readonly reason: string } {
  const obstacle = notCompared(statistics, reference);
  if (obstacle !== undefined) {
    return { reason: obstacle };
  }
  const sum = { a: 0, b: 0, dot: 0, distance: 0 };
  const broken: string[] = [];
  statistics.tensors.forEach(({ name }, t) => {
    const gram = tensorGram(statistics, reference, t, columns);
    sum.a += gram.a;
    sum.b += gram.b;
    sum.dot += gram.dot;
    sum.distance += gram.distance;
    if (!Number.isFinite(gram.a + gram.b + gram.dot + gram.distance)) {
      broken.push(name);
    }
  });
  if (broken.length > 0) {
    const at = statistics.turns?.measuredAt[reference] ?? statistics.step;
    const when = at === statistics.step ? '' : `, when it was last compared at step ${at}`;
    return { reason: `${notFinite(`${columns.what} numbers`, broken)}${when}` };
  }
  return sum;
}

/** Why a pair has no numbers of task vectors and gradients yet, if so. */
export function notCompared({ references, turns }: PairStatistics, reference: number): string | undefined {
  return turns?.measuredAt[reference] === null
    ? `reference ${references[reference]} takes turns with others on the device, and has not been compared yet`
    : undefined;
}

/** The numbers of activations or input gradients, or the reason why there are none. */
export function functionalGram(
  statistics: PairStatistics,
  reference: number,
  { what, part, columns }: FunctionalColumns,
): Gram | { readonly reason: string } {
  const absent = statistics.absent[part] ?? statistics.referenceAbsent[reference]?.[part];
  if (absent !== undefined) {
    return { reason: absent };
  }
  const [a, b, dot, distance] = columns.map(
    (column) => statistics.functional[reference * FUNCTIONAL_WIDTH + column]!,
  ) as [number, number, number, number];
  if (!Number.isFinite(a + b + dot + distance)) {
    return { reason: `the ${what} numbers are missing or not finite` };
  }
  return { a, b, dot, distance };
}

/** "the task vector numbers of norm.weight are missing or not finite (and 3 more)" */
export function notFinite(what: string, tensors: readonly string[]): string {
  const more = tensors.length > 1 ? ` (and ${tensors.length - 1} more)` : '';
  return `the ${what} of ${tensors[0]} are missing or not finite${more}`;
}

/** Cosine of the angle between a and b, -1..1; null when either has no direction. */
export function cosine(gram: Gram, what: string): MetricValue {
  const none = withoutDirection(gram, what);
  return none ?? { value: clamp(gram.dot / Math.sqrt(gram.a * gram.b), -1, 1) };
}

/** Length of the shorter of a and b over that of the longer, 0..1; null when either has no direction. */
export function magnitudeRatio(gram: Gram, what: string): MetricValue {
  const none = withoutDirection(gram, what);
  return none ?? { value: Math.sqrt(Math.min(gram.a, gram.b) / Math.max(gram.a, gram.b)) };
}

/** A null with its reason when a or b is shorter than SMALLEST_NORM, else undefined. */
export function withoutDirection(gram: Gram, what: string): MetricValue | undefined {
  const short: string[] = [];
  if (Math.sqrt(gram.a) < SMALLEST_NORM) {
    short.push(`live model's ${what} is ${Math.sqrt(gram.a)}`);
  }
  if (Math.sqrt(gram.b) < SMALLEST_NORM) {
    short.push(`reference's ${what} is ${Math.sqrt(gram.b)}`);
  }
  if (short.length === 0) {
    return undefined;
  }
  return { value: null, reason: `the norm of the ${short.join(' and of the ')}: under ${SMALLEST_NORM}` };
}

/**
 * Area of the parallelogram of a and b, sqrt(‖a‖²‖b‖² - (a.b)²), not negative. For vectors near each other that
 * difference cancels; ‖a‖‖b‖ - a.b = (‖a - b‖² - (‖a‖ - ‖b‖)²) / 2 does not, so it is used where its terms are
 * the smaller ones.
 */
export function area({ a, b, dot, distance }: Gram): number {
  const product = Math.sqrt(a) * Math.sqrt(b);
  const longer = Math.sqrt(Math.max(a, b));
  const difference = longer > 0 ? Math.abs(a - b) / (Math.sqrt(a) + Math.sqrt(b)) : 0;
  const near = dot > 0 && distance + 2 * difference * longer < product;
  const gap = near ? (distance - difference * difference) / 2 : product - dot;
  return Math.sqrt(Math.max(0, gap) * Math.max(0, product + dot));
}

/** Singular values s1 >= s2 of the 2 x D matrix [a; b]. */
export function singularValues(gram: Gram): readonly [number, number] {
  const halfSum = (gram.a + gram.b) / 2;
  const first = Math.sqrt(halfSum + Math.hypot((gram.a - gram.b) / 2, gram.dot));
  // the area is s1 s2; taking s2 from it loses no digits when s2 is small
  return [first, first > 0 ? Math.min(first, area(gram) / first) : 0];
}

export function clamp(x: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, x));
}
