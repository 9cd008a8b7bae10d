import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { formatShape, listProblems, MergeguardError, matchTensors, type Shapes } from '../tensors/index.js';
import { SMALLEST_TENSOR_NORM } from './gram.js';
import {
  FUNCTIONAL_WIDTH,
  type GradientRecipe,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from './pair-statistics.js';

/** A tensor of any float precision, row-major, matrices as [out, in]. */
export interface NumericTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
export type NumericTensors = ReadonlyMap<string, NumericTensor>;

/** One model: its task vector over the shared tensors and, if there is one, its gradient over the same. */
export interface HostModel {
  readonly taskVector: NumericTensors;
  readonly gradient?: { readonly tensors: NumericTensors; readonly recipe: GradientRecipe };
}

export interface HostStatisticsOptions {
  readonly live: HostModel;
  readonly references: readonly (HostModel & { readonly name: string })[];
  /** singular vectors a side, at most min(out, in) of a tensor; defaults to 10 */
  readonly k?: number;
  /** defaults to `host` */
  readonly run?: string;
  /** defaults to 0 */
  readonly step?: number;
}

/** What is compared of one matrix' thin singular value decomposition. */
interface Decomposition {
  /** [out, k] and [in, k]: the first k singular vectors */
  readonly left: Matrix;
  readonly right: Matrix;
  readonly k: number;
  /** the largest singular values, at most 100, descending */
  readonly spectrum: readonly number[];
  /** [in, k]: the last k right singular vectors; null where which ones come last is arbitrary */
  readonly bottom: Matrix | null;
}

const DEFAULT_K = 10;
const SPECTRUM_LENGTH = 100;
const FLOAT32_EPSILON = 2 ** -23;

/**
 * PairStatistics computed on the host in float64, the slow and obvious way, with one full SVD a matrix: what a tap on a device
 * and the comparison of models at rest are tested against. All models must have the same tensors with the same
 * shapes; every mismatch is in the one error. Activations and input gradients are absent.
 */
export function hostStatistics(options: HostStatisticsOptions): PairStatistics {
  const { live, references, k = DEFAULT_K } = options;
  check(options, k);
  const tensors = [...live.taskVector]
    .map(([name, { shape }]) => ({ name, shape: [...shape] }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const cells = references.length * tensors.length;
  const statistics = {
    pair: new Float64Array(cells * PAIR_WIDTH).fill(Number.NaN),
    live: new Float64Array(tensors.length * SIDE_WIDTH),
    ref: new Float64Array(cells * SIDE_WIDTH),
  };
  tensors.forEach(({ name }, t) => {
    const one = writeSide(statistics.live.subarray(t * SIDE_WIDTH), live, name, k);
    references.forEach((reference, r) => {
      const cell = r * tensors.length + t;
      const other = writeSide(statistics.ref.subarray(cell * SIDE_WIDTH), reference, name, k);
      const pair = statistics.pair.subarray(cell * PAIR_WIDTH, (cell + 1) * PAIR_WIDTH);
      writePair(pair, live, reference, name);
      if (one !== null && other !== null) {
        writeOverlaps(pair, one, other);
      }
    });
  });
  return {
    run: options.run ?? 'host',
    step: options.step ?? 0,
    time: new Date().toISOString(),
    references: references.map(({ name }) => name),
    tensors,
    ...statistics,
    gradient: live.gradient?.recipe ?? null,
    referenceGradients: references.map(({ gradient }) => gradient?.recipe ?? null),
    absent: {
      ...(live.gradient === undefined && { gradient: 'no gradient of the live model was given' }),
      activation: 'statistics of finished weights have no activations',
      inputGradient: 'statistics of finished weights have no input gradients',
    },
    referenceAbsent: references.map(() => ({})),
    measuredAt: {},
    functional: new Float64Array(references.length * FUNCTIONAL_WIDTH).fill(Number.NaN),
    selfProbe: null,
  };
}

function writeSide(side: Float64Array, model: HostModel, name: string, k: number): Decomposition | null {
  const tau = model.taskVector.get(name)!;
  const gradient = model.gradient?.tensors.get(name);
  side[SIDE.tauNorm] = dot(tau.data, tau.data);
  side[SIDE.gradientNorm] = gradient === undefined ? Number.NaN : dot(gradient.data, gradient.data);
  side[SIDE.leftK] = 0;
  side[SIDE.rightK] = 0;
  side[SIDE.bottomK] = 0;
  const norm = Math.sqrt(side[SIDE.tauNorm]!);
  if (tau.shape.length !== 2 || !(norm >= SMALLEST_TENSOR_NORM) || !Number.isFinite(norm)) {
    return null;
  }
  const found = decompose(tau, k);
  side[SIDE.leftK] = found.k;
  side[SIDE.rightK] = found.k;
  side[SIDE.bottomK] = found.bottom === null ? 0 : found.k;
  return found;
}

function writePair(pair: Float64Array, live: HostModel, reference: HostModel, name: string): void {
  const a = live.taskVector.get(name)!;
  const b = reference.taskVector.get(name)!;
  pair[PAIR.tauDot] = dot(a.data, b.data);
  pair[PAIR.tauDistance] = squaredDistance(a.data, b.data);
  const g = live.gradient?.tensors.get(name);
  const h = reference.gradient?.tensors.get(name);
  if (g !== undefined && h !== undefined) {
    pair[PAIR.gradientDot] = dot(g.data, h.data);
    pair[PAIR.gradientDistance] = squaredDistance(g.data, h.data);
  }
}

function writeOverlaps(pair: Float64Array, one: Decomposition, other: Decomposition): void {
  pair[PAIR.leftTop] = overlap(one.left, other.left);
  pair[PAIR.rightTop] = overlap(one.right, other.right);
  const norms = Math.sqrt(dot(one.spectrum, one.spectrum) * dot(other.spectrum, other.spectrum));
  pair[PAIR.spectrum] = dot(one.spectrum, other.spectrum) / norms;
  if (one.bottom !== null && other.bottom !== null) {
    pair[PAIR.rightBottom] = overlap(one.bottom, other.bottom);
  }
}

function decompose({ shape, data }: NumericTensor, most: number): Decomposition {
  const [rows, columns] = shape as [number, number];
  const n = Math.min(rows, columns);
  const k = Math.min(most, n);
  const matrix = Matrix.from1DArray(rows, columns, data);
  const svd = new SingularValueDecomposition(matrix, { autoTranspose: true });
  const values = svd.diagonal.slice(0, n);
  const right = (first: number) => svd.rightSingularVectors.subMatrix(0, columns - 1, first, first + k - 1);
  // The last k are theirs where all singular values stand out; of a tall matrix they span what the others leave.
  const standOut = rows < columns ? n : n - k;
  return {
    left: svd.leftSingularVectors.subMatrix(0, rows - 1, 0, k - 1),
    right: right(0),
    k,
    spectrum: values.slice(0, SPECTRUM_LENGTH),
    bottom: standOut === 0 || values[standOut - 1]! > FLOAT32_EPSILON * values[0]! ? right(n - k) : null,
  };
}

/** ‖X^T Y‖_F² */
function overlap(x: Matrix, y: Matrix): number {
  return x.transpose().mmul(y).norm('frobenius') ** 2;
}

function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    sum += x[i]! * y[i]!;
  }
  return sum;
}

function squaredDistance(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    sum += (x[i]! - y[i]!) ** 2;
  }
  return sum;
}

function check({ live, references }: HostStatisticsOptions, k: number): void {
  const problems: string[] = [];
  if (!Number.isInteger(k) || k < 1) {
    problems.push(`k is ${k}, must be a whole number from 1`);
  }
  compare('the task vector of the live model', live.taskVector, live.taskVector, problems);
  compare('the gradient of the live model', live.gradient?.tensors, live.taskVector, problems);
  for (const { name, taskVector, gradient } of references) {
    compare(`the task vector of reference ${name}`, taskVector, live.taskVector, problems);
    compare(`the gradient of reference ${name}`, gradient?.tensors, live.taskVector, problems);
  }
  if (problems.length > 0) {
    const heading = 'the models do not fit together ("here" is the task vector of the live model):';
    throw new MergeguardError(listProblems(heading, problems));
  }
}

/** Adds a line to `problems` for every tensor of `found` that is not as in the live task vector. */
function compare(
  what: string,
  found: NumericTensors | undefined,
  live: NumericTensors,
  problems: string[],
): void {
  if (found === undefined) {
    return;
  }
  for (const problem of matchTensors(shapesOf(live), shapesOf(found)).problems) {
    problems.push(`${what}: ${problem}`);
  }
  for (const [name, { shape, data }] of found) {
    const size = shape.reduce((product, n) => product * n, 1);
    if (data.length !== size) {
      problems.push(`${what}: ${name} is ${formatShape(shape)} and has ${data.length} values`);
    }
  }
}

function shapesOf(tensors: NumericTensors): Shapes {
  return new Map([...tensors].map(([name, { shape }]) => [name, shape]));
}
