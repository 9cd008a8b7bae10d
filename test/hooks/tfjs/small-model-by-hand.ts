import type { NamedTensors } from '../../../src/tensors/index.js';
import type { SmallModel } from './guarded-loop.js';

/** A SmallModel's weights in float64: hidden [6][12], bias [12], head [12][3]. */
export interface Weights {
  readonly hidden: readonly (readonly number[])[];
  readonly bias: readonly number[];
  readonly head: readonly (readonly number[])[];
}

/** The model's weights as they are; with `base` and `tau` those of the reference, under the model's head. */
export function weightsOf(model: SmallModel, base?: Weights, tau?: NamedTensors): Weights {
  const grid = (values: ArrayLike<number>, rows: number, columns: number) =>
    Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (__, j) => values[i * columns + j]),
    );
  const head = grid(model.head.dataSync(), 12, 3);
  if (!base || !tau) {
    return { hidden: grid(model.hidden.dataSync(), 6, 12), bias: [...model.bias.dataSync()], head };
  }
  // Canonical matrices are [out, in].
  const [kernel, bias] = [tau.get('hidden.weight')!.data, tau.get('hidden.bias')!.data];
  return {
    hidden: base.hidden.map((row, i) => row.map((value, j) => value + kernel[j * 6 + i])),
    bias: base.bias.map((value, j) => value + bias[j]),
    head,
  };
}

/** h = tanh(x W + b) */
function hiddenOf({ hidden, bias }: Weights, x: readonly number[]): number[] {
  return bias.map((shift, j) => Math.tanh(x.reduce((sum, value, i) => sum + value * hidden[i][j], shift)));
}

export function meanActivation(weights: Weights, inputs: readonly (readonly number[])[]): number[] {
  const all = inputs.map((x) => hiddenOf(weights, x));
  return weights.bias.map((_, j) => all.reduce((sum, h) => sum + h[j], 0) / all.length);
}

/** d cross-entropy / dx of every sample: W ((1 - h²) (head (p - y))) */
export function inputGradients(
  weights: Weights,
  inputs: readonly (readonly number[])[],
  labels: readonly number[],
): number[][] {
  const { hidden, head } = weights;
  return inputs.map((x, sample) => {
    const h = hiddenOf(weights, x);
    const scores = head[0].map((_, c) => h.reduce((sum, value, j) => sum + value * head[j][c], 0));
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    const wrong = scores.map((score, c) => Math.exp(score) / total - (labels[sample] === c ? 1 : 0));
    const back = h.map((value, j) => (1 - value ** 2) * wrong.reduce((sum, w, c) => sum + w * head[j][c], 0));
    return hidden.map((row) => row.reduce((sum, weight, j) => sum + weight * back[j], 0));
  });
}

/** Whether each sample's guess is right, and its cross-entropy. */
export function answersOf(
  weights: Weights,
  inputs: readonly (readonly number[])[],
  labels: readonly number[],
): { correct: number[]; losses: number[] } {
  const scored = inputs.map((x) => {
    const h = hiddenOf(weights, x);
    return weights.head[0].map((_, c) => h.reduce((sum, value, j) => sum + value * weights.head[j][c], 0));
  });
  return {
    correct: scored.map((scores, i) => (scores.indexOf(Math.max(...scores)) === labels[i] ? 1 : 0)),
    losses: scored.map((scores, i) => {
      const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      return Math.log(total) - scores[labels[i]];
    }),
  };
}

/** What the metrics say of two vectors. */
export function pairNumbers(a: readonly number[], b: readonly number[]) {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * y[i], 0);
  const [aa, bb, ab] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b)), dot(a, b)];
  return {
    l2_distance: Math.hypot(...a.map((value, i) => value - b[i])),
    cosine_similarity: ab / (aa * bb),
    magnitude_ratio: Math.min(aa, bb) / Math.max(aa, bb),
    dot_product: ab,
  };
}
