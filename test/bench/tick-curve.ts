import * as tf from '@tensorflow/tfjs';
import type { SharedTensor } from '../../hooks/tfjs/layout.js';
import { DeviceStatistics } from '../../hooks/tfjs/statistics.js';
import { syntheticReferences } from './common/synthetic-reference.js';

/** Transformers by width and depth: twelve times width squared parameters a block. */
const MODELS = [
  { width: 96, depth: 3 },
  { width: 256, depth: 4 },
  { width: 512, depth: 10 },
] as const;
const POOLS = [1, 4, 16] as const;
const K = 10;
/** Ticks before the clock starts, and those that are timed. */
const WARM_UP = 3;
const TICKS = 7;

interface Point {
  readonly parameters: number;
  readonly references: number;
  /** median of a tick, measured and read; null where the device's memory was too small */
  readonly ms: number | null;
}

/**
 * What does a tick cost, by the size of the model and the number of references, on the backend that is open? Prints
 * the median of seven ticks for every pair of the two, and how nearly the cost is linear: the exponent of the
 * parameters between the smallest and the largest model, and what one more reference costs beside the first.
 * Measures the tap alone (task vectors and subspaces, no gradients of references): no training, no slow lane.
 */
export async function tickCurve(): Promise<void> {
  console.log(`tick cost on ${tf.getBackend()}: median of ${TICKS} ticks, ms\n`);
  console.log(
    ['parameters', ...POOLS.map((count) => `${count} refs`)].map((text) => text.padStart(11)).join(''),
  );
  const points: Point[] = [];
  for (const shape of MODELS) {
    const row: Point[] = [];
    for (const references of POOLS) {
      row.push(await measure(shape, references));
    }
    points.push(...row);
    console.log(
      [millions(row[0].parameters), ...row.map(({ ms }) => shown(ms))]
        .map((text) => text.padStart(11))
        .join(''),
    );
  }
  console.log(`\n${linearity(points).join('\n')}`);
}

async function measure(shape: (typeof MODELS)[number], count: number): Promise<Point> {
  const tensors = transformer(shape);
  const parameters = tensors.reduce((sum, { variable }) => sum + variable.size, 0);
  let ms: number | null = null;
  try {
    ms = await medianTick(tensors, count);
  } catch (error) {
    // wasm can address 4 GiB at most, and aborts beyond.
    console.log(
      `  ${millions(parameters)} with ${count} references does not fit: ${(error as Error).message}`,
    );
  } finally {
    tf.dispose(tensors.map(({ variable }) => variable));
  }
  return { parameters, references: count, ms };
}

async function medianTick(tensors: readonly SharedTensor[], count: number): Promise<number> {
  const references = syntheticReferences(tensors, count, '').map((reference) => ({
    ...reference,
    gradient: null,
    gradientRecipe: null,
  }));
  const statistics = new DeviceStatistics(tensors, references, {
    k: K,
    powerIterations: 1,
    gradientDecay: 0.9,
    recipe: { kind: 'ema', batch: null, reduction: 'mean', clipped: false, accumulated: 1, lossScale: 1 },
    unmeasured: {},
  });
  try {
    move(tensors);
    const nothing = tf.zeros([1]) as tf.Tensor1D;
    const times: number[] = [];
    for (let tick = 0; tick < WARM_UP + TICKS; tick++) {
      const start = performance.now();
      const packed = statistics.measure(nothing);
      statistics.read((await packed.data()) as Float32Array, tick);
      times.push(performance.now() - start);
      packed.dispose();
    }
    nothing.dispose();
    return times.slice(WARM_UP).sort((a, b) => a - b)[(TICKS - 1) / 2];
  } finally {
    statistics.dispose();
  }
}

/** Kernels stored [in, out], as tfjs has them. */
function transformer({ width, depth }: (typeof MODELS)[number]): SharedTensor[] {
  const tensors: SharedTensor[] = [];
  const add = (name: string, stored: number[]) => {
    const isMatrix = stored.length === 2;
    tensors.push({
      name,
      shape: isMatrix ? [stored[1], stored[0]] : stored,
      variable: tf.tidy(() => tf.variable(tf.randomNormal(stored, 0, 0.02))),
      permutation: isMatrix ? [1, 0] : null,
      factors: null,
      trainable: true,
    });
  };
  for (let block = 0; block < depth; block++) {
    add(`${block}.qkv.weight`, [width, 3 * width]);
    add(`${block}.out.weight`, [width, width]);
    add(`${block}.up.weight`, [width, 4 * width]);
    add(`${block}.down.weight`, [4 * width, width]);
    for (const [name, size] of [
      ['qkv', 3],
      ['out', 1],
      ['up', 4],
      ['down', 1],
      ['norm', 1],
    ] as const) {
      add(`${block}.${name}.bias`, [size * width]);
    }
  }
  return tensors;
}

/** A step away from the base, so that there is a task vector. */
function move(tensors: readonly SharedTensor[]): void {
  for (const { variable } of tensors) {
    tf.tidy(() => variable.assign(tf.add(variable, tf.randomNormal(variable.shape, 0, 0.001))));
  }
}

function linearity(points: readonly Point[]): string[] {
  const lines: string[] = [];
  for (const count of POOLS) {
    const known = points.filter(({ references, ms }) => references === count && ms !== null);
    const [first, last] = [known[0], known.at(-1)];
    if (first && last && first !== last) {
      const exponent =
        Math.log((last.ms as number) / (first.ms as number)) / Math.log(last.parameters / first.parameters);
      lines.push(
        `${count} references: cost grows with parameters to the power of ${exponent.toFixed(2)} (1 is linear)`,
      );
    }
  }
  for (const { parameters, ms } of points.filter(({ references }) => references === POOLS[0])) {
    const largest = points.find(
      (point) => point.parameters === parameters && point.references === POOLS.at(-1),
    );
    if (ms !== null && largest && largest.ms !== null) {
      const each = (largest.ms - ms) / (largest.references - POOLS[0]);
      const share = (100 * each) / ms;
      lines.push(
        `${millions(parameters)}: one more reference costs ${each.toFixed(2)} ms, ${share.toFixed(0)} % of a tick with one`,
      );
    }
  }
  return lines;
}

function millions(parameters: number): string {
  return `${(parameters / 1e6).toFixed(1)} M`;
}

function shown(ms: number | null): string {
  return ms === null ? '–' : ms.toFixed(ms < 10 ? 2 : 1);
}
