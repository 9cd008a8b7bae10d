import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { chunkLength } from '../../hooks/tfjs/chunk-length.js';
import { ComputeProgram, computeBackend } from '../../hooks/tfjs/compute/compute-program.js';
import { FlatLayout } from '../../hooks/tfjs/flat-layout.js';
import { GradientAverage } from '../../hooks/tfjs/gradient-average.js';
import { type FoldWay, foldWays } from '../../hooks/tfjs/gradient-fold/index.js';
import type { SharedTensor } from '../../hooks/tfjs/layout.js';
import { liveTau } from '../../hooks/tfjs/live-tau.js';
import {
  LIVE_ROWS,
  ROWS_PER_REFERENCE,
  type SumSources,
  sumsWays,
  type TickSums,
} from '../../hooks/tfjs/tick-sums/index.js';
import { type BackendChoice, openBackend } from '../../src/backend/index.js';
import { Random } from '../../src/tensors/index.js';

/**
 * How near does the tap come to the device's memory? For every way that the active backend has of taking a tick's sums, and
 * of folding a step's gradients: ms, bytes of the floor (every operand once) by ms, against a device-to-device copy in the same
 * run, which counts what it reads and what it writes; and the largest difference from the plain way. Ways take turns in blocks;
 * a block ends when a result has been read back. Weights stay where they are, as they would not in a training.
 *
 *     npx tsx test/bench/tick-sums.ts --backend webgpu --parameters 20e6 --references 4
 *     [--chunk ELEMENTS] [--copy FLOATS] [--ways plain,kernels] [--blocks 7] [--block-ms 200]
 */
const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'auto' },
    parameters: { type: 'string', default: '20e6' },
    references: { type: 'string', default: '4' },
    chunk: { type: 'string' },
    copy: { type: 'string', default: String(2 ** 26) },
    ways: { type: 'string' },
    blocks: { type: 'string', default: '7' },
    'block-ms': { type: 'string', default: '200' },
  },
});
const REFERENCES = Number(options.references);
const BLOCKS = Number(options.blocks);
const BLOCK_MS = Number(options['block-ms']);

/** Four vectors of four a thread. */
const COPY_CODE = `
@group(0) @binding(0) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> after: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let end = arrayLength(&before);
  for (var i = group.x * 1024u + lane; i < end; i += groups.x * 1024u) {
    let found = array(before[i], before[i + 256u], before[i + 512u], before[i + 768u]);
    for (var k = 0u; k < 4u; k++) {
      if (i + k * 256u < end) {
        after[i + k * 256u] = found[k];
      }
    }
  }
}
`;

/** Something to be timed: `run` puts work on the device, `settle` waits for all of it. */
interface Subject {
  readonly name: string;
  /** what has to be moved at least, or for a copy is */
  readonly bytes: number;
  run(): void;
  settle(): Promise<void>;
  /** ms a run, by block */
  readonly ms: number[];
}

const opened = await openBackend(options.backend as BackendChoice);
console.log(`${opened.name}: ${opened.description}`);
/** Long enough that no vector repeats within a cache. */
const pattern = new Random('tick sums').normals(2 ** 20 + 7);
const tensors = transformer(Number(options.parameters));
const layout = new FlatLayout(tensors, options.chunk ? Number(options.chunk) : await chunkLength());
const parameters = tensors.reduce((sum, { variable }) => sum + variable.size, 0);
console.log(
  `${(parameters / 1e6).toFixed(1)} M parameters in ${tensors.length} tensors and ${layout.chunks.length} chunks, ${REFERENCES} references with gradients`,
);
const average = new GradientAverage(layout, 0.9);
const gradients = Object.fromEntries(
  tensors.map(({ variable }, t) => [variable.name, filled(variable.shape, t + 5, 0.01)]),
);
average.fold(gradients, 0);
const vectors = (shift: number, scale: number) => {
  const chunks = layout.chunks.map(({ length }, c) => filled([length], shift + c, scale) as tf.Tensor1D);
  return { chunk: (c: number) => chunks[c] };
};
const sources: SumSources = {
  layout,
  taus: tensors.map((tensor, t) => liveTau(tensor, () => filled(tensor.variable.shape, t + 1, 0.1))),
  gradients: average,
  references: Array.from({ length: REFERENCES }, (_, r) => ({
    tau: vectors(100 + 31 * r, 0.1),
    gradient: vectors(200 + 37 * r, 0.01),
  })),
};
const watched = sources.references.map((_, r) => r);
const wanted = options.ways?.split(',');
const ways = sumsWays()
  .filter(({ name }) => !wanted || wanted.includes(name))
  .map(({ name, make }) => ({ name, sums: make(sources) }));

const subjects = [...(await copies()), ...ways.map(sumsSubject), ...foldWays().map(foldSubject)];
for (const subject of subjects) {
  // Kernels are compiled, buffers made.
  for (let i = 0; i < 3; i++) {
    subject.run();
    await subject.settle();
  }
}
for (let block = 0; block < BLOCKS; block++) {
  for (const subject of block % 2 === 0 ? subjects : [...subjects].reverse()) {
    await runBlock(subject);
  }
}
report();
await compare();
for (const { sums } of ways) {
  sums.dispose();
}

async function runBlock({ run, settle, ms }: Subject): Promise<void> {
  const last = ms.at(-1);
  const runs = last === undefined ? 1 : Math.min(200, Math.max(1, Math.round(BLOCK_MS / last)));
  const start = performance.now();
  for (let i = 0; i < runs; i++) {
    run();
  }
  await settle();
  ms.push((performance.now() - start) / runs);
}

/** A transformer's shapes: 12 times width squared parameters a block, biases and norms beside them. */
function transformer(count: number): SharedTensor[] {
  const depth = count < 50e6 ? 6 : 12;
  const width = Math.max(8, 8 * Math.round(Math.sqrt(count / (12 * depth)) / 8));
  const shapes: Record<string, number[]> = {};
  for (let block = 0; block < depth; block++) {
    for (const name of ['q', 'k', 'v', 'o']) {
      shapes[`${block}/${name}/kernel`] = [width, width];
      shapes[`${block}/${name}/bias`] = [width];
    }
    shapes[`${block}/up/kernel`] = [width, 4 * width];
    shapes[`${block}/up/bias`] = [4 * width];
    shapes[`${block}/down/kernel`] = [4 * width, width];
    shapes[`${block}/down/bias`] = [width];
    for (const name of ['norm1/gamma', 'norm1/beta', 'norm2/gamma', 'norm2/beta']) {
      shapes[`${block}/${name}`] = [width];
    }
  }
  return Object.entries(shapes).map(([name, shape], t) => {
    const value = filled(shape, t, 0.1);
    const variable = tf.variable(value);
    value.dispose();
    return { name, shape, variable, permutation: null, trainable: true, factors: null };
  });
}

function filled(shape: readonly number[], shift: number, scale: number): tf.Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    values[i] = scale * pattern[(i + 7919 * shift) % pattern.length];
  }
  return tf.tensor(values, [...shape]);
}

/** Every way of copying that there is: the fastest is what others are held against. */
async function copies(): Promise<Subject[]> {
  const floats = Number(options.copy);
  const bytes = 8 * floats;
  const from = filled([floats], 1, 1);
  let to: tf.Tensor | null = null;
  const add: Subject = {
    name: 'copy by x + 0',
    bytes,
    ms: [],
    run: () => {
      to?.dispose();
      to = tf.tidy(() => tf.add(from, 0));
    },
    settle: async () => {
      const one = tf.tidy(() => tf.slice(to!.flatten(), 0, 1));
      await one.data();
      one.dispose();
    },
  };
  const compute = computeBackend();
  if (!compute) {
    return [add];
  }
  const { device } = compute;
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | GPUBufferUsage.STORAGE;
  const buffers = [0, 1].map(() => device.createBuffer({ size: 4 * floats, usage }));
  const raw: Subject = {
    name: 'copyBufferToBuffer',
    bytes,
    ms: [],
    run: () => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffers[0], 0, buffers[1], 0, 4 * floats);
      device.queue.submit([encoder.finish()]);
    },
    settle: () => device.queue.onSubmittedWorkDone() as Promise<void>,
  };
  const program = new ComputeProgram(compute, 'copy', COPY_CODE);
  const kernel: Subject = {
    name: 'copy by a kernel',
    bytes,
    ms: [],
    run: () => program.run(buffers, [Math.min(65535, Math.ceil(floats / 4 / 1024)), 1]),
    settle: async () => {
      compute.ensureCommandEncoderReady();
      compute.endComputePassEncoder();
      compute.submitQueue();
      await device.queue.onSubmittedWorkDone();
    },
  };
  return [raw, add, kernel];
}

function sumsSubject({ name, sums }: { name: string; sums: TickSums }): Subject {
  let packed: tf.Tensor | null = null;
  return {
    name: `sums, ${name}`,
    bytes: 4 * parameters * (3 + 2 * REFERENCES),
    ms: [],
    run: () => {
      packed?.dispose();
      packed = takeSums(sums);
    },
    settle: async () => {
      await packed!.data();
    },
  };
}

/** Of all chunks. */
function takeSums(sums: TickSums): tf.Tensor1D {
  return tf.tidy(() => {
    const parts = layout.chunks.map((_, c) =>
      tf.tidy(() => sums.measure(c, (t) => sources.taus[t].dense(), watched)),
    );
    return parts.length === 1 ? parts[0] : tf.concat(parts);
  });
}

function foldSubject({ name, make }: FoldWay): Subject {
  const fold = make({ layout, decay: 0.9 });
  let step = 0;
  return {
    name: `fold, ${name}`,
    bytes: 12 * parameters,
    ms: [],
    run: () => {
      step += 1;
      fold.fold(gradients, step);
    },
    settle: async () => {
      const counters = tf.tidy(() => fold.counters());
      await counters.data();
      counters.dispose();
    },
  };
}

function report(): void {
  const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const rate = ({ bytes, ms }: Subject) => bytes / median(ms) / 1e6;
  const copy = Math.max(...subjects.filter(({ name }) => name.startsWith('copy')).map(rate));
  console.log(`${'median of blocks'.padEnd(22)}        ms       least      GB/s   of the copy`);
  for (const subject of subjects) {
    const { name, ms } = subject;
    const cells = [median(ms).toFixed(3), Math.min(...ms).toFixed(3), rate(subject).toFixed(1)];
    const share = `${((100 * rate(subject)) / copy).toFixed(1)} %`;
    console.log(name.padEnd(22) + cells.map((cell) => cell.padStart(10)).join('  ') + share.padStart(12));
  }
  console.log('GB/s of sums and fold: the floor of bytes by their time');
}

/** Against the plain way, relative to what is largest of a tensor and reference: squares, dot product, distance. */
async function compare(): Promise<void> {
  const plain = ways.find(({ name }) => name === 'plain');
  for (const way of plain ? ways : []) {
    let worst = 0;
    const [found, expected] = await Promise.all([way, plain!].map(({ sums }) => readSums(sums)));
    found.forEach((rows, t) => {
      for (let row = 0; row < rows.length; row++) {
        // Rows of a reference come in pairs of dot product and distance.
        const pair = row < LIVE_ROWS ? [row] : [row, row ^ 1];
        const scale = Math.max(...pair.map((other) => Math.abs(expected[t][other])));
        worst = Math.max(worst, Math.abs(rows[row] - expected[t][row]) / scale);
      }
    });
    console.log(`${way.name}: largest relative difference from plain ${worst.toExponential(1)}`);
  }
}

/** By tensor and row. */
async function readSums(sums: TickSums): Promise<number[][]> {
  const packed = takeSums(sums);
  const values = await packed.data();
  packed.dispose();
  const rows = LIVE_ROWS + ROWS_PER_REFERENCE * REFERENCES;
  let at = 0;
  return layout.chunks.flatMap(({ tensors: own }) => {
    const first = at;
    at += rows * own.length;
    return own.map((_, column) =>
      Array.from({ length: rows }, (__, row) => values[first + row * own.length + column]),
    );
  });
}
