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

/** The first k singular vectors, U [out, k] and V [in, k]. */
interface Subspaces {
  readonly left: Matrix;
  readonly right: Matrix;
  readonly k: number;
}

const DEFAULT_K = 10;

/**
 * PairStatistics computed on the host in float64, the slow and obvious way, with one full SVD a matrix. It is
 * what a tap on a device is tested against, and what scores finished models. All models must have the same
 * tensors with the same shapes; every mismatch is in the one error. The slow lane (bottom-k, spectra,
 * functional) is absent.
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
    const subspaces = writeSide(statistics.live.subarray(t * SIDE_WIDTH), live, name, k);
    references.forEach((reference, r) => {
      const cell = r * tensors.length + t;
      const other = writeSide(statistics.ref.subarray(cell * SIDE_WIDTH), reference, name, k);
      const pair = statistics.pair.subarray(cell * PAIR_WIDTH, (cell + 1) * PAIR_WIDTH);
      writePair(pair, live, reference, name);
      if (subspaces !== null && other !== null) {
        pair[PAIR.leftTop] = overlap(subspaces.left, other.left);
        pair[PAIR.rightTop] = overlap(subspaces.right, other.right);
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
      bottom: 'statistics taken on the host have no slow lane',
      spectra: 'statistics taken on the host have no slow lane',
      activation: 'statistics of finished weights have no activations',
      inputGradient: 'statistics of finished weights have no input gradients',
    },
    referenceAbsent: references.map(() => ({})),
    measuredAt: {},
    functional: new Float64Array(references.length * FUNCTIONAL_WIDTH).fill(Number.NaN),
    selfProbe: null,
  };
}

function writeSide(side: Float64Array, model: HostModel, name: string, k: number): Subspaces | null {
  const tau = model.taskVector.get(name)!;
  const gradient = model.gradient?.tensors.get(name);
  side[SIDE.tauNorm] = dot(tau.data, tau.data);
  side[SIDE.gradientNorm] = gradient === undefined ? Number.NaN : dot(gradient.data, gradient.data);
  side[SIDE.leftK] = 0;
  side[SIDE.rightK] = 0;
  const norm = Math.sqrt(side[SIDE.tauNorm]!);
  if (tau.shape.length !== 2 || !(norm >= SMALLEST_TENSOR_NORM) || !Number.isFinite(norm)) {
    return null;
  }
  const subspaces = topSubspaces(tau, k);
  side[SIDE.leftK] = subspaces.k;
  side[SIDE.rightK] = subspaces.k;
  return subspaces;
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

function topSubspaces({ shape, data }: NumericTensor, most: number): Subspaces {
  const [rows, columns] = shape as [number, number];
  const k = Math.min(most, rows, columns);
  const matrix = Matrix.from1DArray(rows, columns, data);
  const svd = new SingularValueDecomposition(matrix, { autoTranspose: true });
  return {
    left: svd.leftSingularVectors.subMatrix(0, rows - 1, 0, k - 1),
    right: svd.rightSingularVectors.subMatrix(0, columns - 1, 0, k - 1),
    k,
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
