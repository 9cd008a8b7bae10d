import * as tf from '@tensorflow/tfjs';
import {
  type ComputeBackend,
  ComputeProgram,
  releaseUniforms,
  uniformBuffer,
} from '../compute/compute-program.js';
import {
  filled,
  GATHER_FIXED,
  type Gathering,
  gatherCode,
  gatherings,
  inputCode,
} from '../compute/gather.js';
import type { Chunk } from '../flat-layout.js';
import { type Comparison, compareCode, MOST_ITEMS, reduceCode, rowCount } from './compare-code.js';
import type { SumSources, TickSums } from './tick-sums.js';

/** Elements that one workgroup adds up at most, by the chunk: 4 to 32 vectors of four a thread. */
const [SHORTEST_ITEM, LONGEST_ITEM] = [1 << 12, 1 << 15];
/** Workgroups that keep a large device evenly busy. */
const ENOUGH_ITEMS = 4096;
/** Bindings of the comparing kernel that are there always: partial sums and the live task vector; sums and counters of gradients. */
const [FIXED, FOR_GRADIENTS] = [2, 2];

/** What a chunk has on the device for good. */
interface ChunkPlan {
  /** tensors that are trained themselves: weights minus base */
  readonly full: readonly Gathering[];
  /** tensors with an adapter: their task vector has to be made by other kernels */
  readonly adapted: readonly Gathering[];
  /** by 4,096 items each */
  readonly windows: readonly { readonly items: GPUBuffer; readonly count: number }[];
  readonly items: number;
  /** [tensors + 1] int32, kept */
  readonly firsts: tf.Tensor1D;
}

/**
 * By kernels of one's own on webgpu: one brings the task vector of a chunk together from its tensors, several at a time; one takes
 * all sums with as many references as the device binds buffers (3 with gradients at 10 buffers, 6 at 16); a last one adds
 * up by tensor. Moved are 4 D (5 + 2 R) bytes, 8 D more than the floor, since the task vector is written and read again; for every
 * further group of references 8 D more. What is not finite is seen by its bits.
 */
export class WebgpuSums implements TickSums {
  readonly #backend: ComputeBackend;
  readonly #sources: SumSources;
  readonly #plans: readonly ChunkPlan[];
  readonly #difference: ComputeProgram;
  readonly #copy: ComputeProgram;
  readonly #programs = new Map<string, { compare: ComputeProgram; reduce: ComputeProgram }>();
  /** storage buffers that a kernel can bind */
  readonly #buffers: number;
  /** tensors that one dispatch brings together: weights and base of each, task vectors of adapters */
  readonly #pairs: number;
  readonly #singles: number;

  constructor(backend: ComputeBackend, sources: SumSources) {
    this.#backend = backend;
    this.#sources = sources;
    this.#buffers = backend.device.limits.maxStorageBuffersPerShaderStage;
    this.#singles = this.#buffers - GATHER_FIXED;
    this.#pairs = Math.floor(this.#singles / 2);
    this.#difference = new ComputeProgram(backend, 'task vector', differenceCode(this.#pairs));
    this.#copy = new ComputeProgram(backend, 'task vector of adapters', copyCode(this.#singles));
    const { layout } = sources;
    this.#plans = layout.chunks.map((chunk) => {
      const isAdapted = (tensor: number) => layout.tensors[tensor].factors !== null;
      const full = chunk.tensors.filter((tensor) => !isAdapted(tensor));
      return {
        full: gatherings(layout, chunk, full, this.#pairs),
        adapted: gatherings(layout, chunk, chunk.tensors.filter(isAdapted), this.#singles),
        ...planItems(backend, chunk),
      };
    });
  }

  measure(c: number, dense: (tensor: number) => tf.Tensor, watched: readonly number[]): tf.Tensor1D {
    const backend = this.#backend;
    const { layout } = this.#sources;
    const tau = backend.makeTensorInfo([layout.chunks[c].length], 'float32');
    try {
      this.#gather(c, tau, dense);
      const parts = this.#groups(watched).map((group) => this.#compare(c, tau, group));
      return parts.length === 1 ? parts[0] : tf.concat(parts);
    } finally {
      backend.disposeData(tau.dataId);
    }
  }

  #gather(c: number, tau: tf.TensorInfo, dense: (tensor: number) => tf.Tensor): void {
    const { layout, taus } = this.#sources;
    const { full, adapted } = this.#plans[c];
    for (const { tensors, pieces } of full) {
      const slots = tensors.map((tensor) => [layout.tensors[tensor].variable, taus[tensor].origin]);
      this.#difference.run([tau, pieces, ...filled(slots, this.#pairs).flat()], [pieces.shape[0], 1]);
    }
    for (const { tensors, pieces } of adapted) {
      this.#copy.run([tau, pieces, ...filled(tensors.map(dense), this.#singles)], [pieces.shape[0], 1]);
    }
  }

  /** Consecutive references, as many at a time as there are buffers for. */
  #groups(watched: readonly number[]): { live: boolean; watched: number[] }[] {
    const hasGradients = this.#sources.gradients !== null;
    const groups = [{ live: true, watched: [] as number[] }];
    const free = this.#buffers - FIXED - (hasGradients ? FOR_GRADIENTS : 0);
    let left = free;
    for (const r of watched) {
      const wanted = hasGradients && this.#sources.references[r].gradient ? 2 : 1;
      if (wanted > left) {
        groups.push({ live: false, watched: [] });
        left = free;
      }
      groups.at(-1)!.watched.push(r);
      left -= wanted;
    }
    return groups;
  }

  #compare(
    c: number,
    tau: tf.TensorInfo,
    { live, watched }: { live: boolean; watched: readonly number[] },
  ): tf.Tensor1D {
    const backend = this.#backend;
    const { layout, gradients, references } = this.#sources;
    const plan = this.#plans[c];
    const compared = watched.map((r) => references[r]);
    const hasGradient = compared.map(({ gradient }) => gradients !== null && gradient !== null);
    const gradient = gradients !== null && (live || hasGradient.includes(true));
    const comparison = { live, gradient, references: hasGradient };
    const { compare, reduce } = this.#program(comparison);
    const inputs = [tau, ...(gradient ? [gradients.sums(c), gradients.remaining] : [])];
    compared.forEach((reference, r) => {
      inputs.push(reference.tau.chunk(c));
      if (hasGradient[r]) {
        inputs.push(reference.gradient!.chunk(c));
      }
    });
    const rows = rowCount(comparison);
    const partial = backend.makeTensorInfo([plan.items, rows], 'float32');
    try {
      for (const { items, count } of plan.windows) {
        compare.run([partial, items, ...inputs], [count, 1]);
      }
      const tensors = layout.chunks[c].tensors.length;
      const sums = backend.makeTensorInfo([rows * tensors], 'float32');
      reduce.run([sums, partial, plan.firsts], [tensors, rows]);
      return tf.engine().makeTensorFromTensorInfo(sums) as tf.Tensor1D;
    } finally {
      backend.disposeData(partial.dataId);
    }
  }

  #program(comparison: Comparison): { compare: ComputeProgram; reduce: ComputeProgram } {
    const key = JSON.stringify(comparison);
    let programs = this.#programs.get(key);
    if (!programs) {
      programs = {
        compare: new ComputeProgram(this.#backend, 'sums', compareCode(comparison)),
        reduce: new ComputeProgram(this.#backend, 'sums by tensor', reduceCode(rowCount(comparison))),
      };
      this.#programs.set(key, programs);
    }
    return programs;
  }

  dispose(): void {
    for (const { full, adapted, firsts, windows } of this.#plans) {
      tf.dispose([firsts, ...[...full, ...adapted].map(({ pieces }) => pieces)]);
      releaseUniforms(
        this.#backend,
        windows.map(({ items }) => items),
      );
    }
  }
}

/** Cuts a chunk's tensors into items; `firsts` is kept, the caller's to dispose. */
function planItems(
  backend: ComputeBackend,
  { tensors, offsets, length }: Chunk,
): Pick<ChunkPlan, 'windows' | 'items' | 'firsts'> {
  const starts: number[] = [];
  const lengths: number[] = [];
  const firsts: number[] = [];
  let most = SHORTEST_ITEM;
  while (most < LONGEST_ITEM && length / most > ENOUGH_ITEMS) {
    most *= 2;
  }
  tensors.forEach((_, index) => {
    const end = offsets[index + 1] ?? length;
    firsts.push(starts.length);
    for (let start = offsets[index]; start < end; start += most) {
      starts.push(start);
      lengths.push(Math.min(most, end - start));
    }
  });
  firsts.push(starts.length);
  const windows: { items: GPUBuffer; count: number }[] = [];
  for (let first = 0; first < starts.length; first += MOST_ITEMS) {
    const count = Math.min(MOST_ITEMS, starts.length - first);
    const values = new Uint32Array(4 * MOST_ITEMS);
    for (let i = 0; i < count; i++) {
      values.set([starts[first + i] / 4, lengths[first + i] / 4, first + i], 4 * i);
    }
    windows.push({ items: uniformBuffer(backend, values), count });
  }
  return { windows, items: starts.length, firsts: tf.keep(tf.tensor1d(firsts, 'int32')) };
}

/** WGSL: weights minus base. Bindings: task vector, pieces, then both of each slot. */
function differenceCode(slots: number): string {
  const inputs = Array.from({ length: slots }, (_, slot) => [`weights${slot}`, `base${slot}`]).flat();
  return gatherCode({
    slots,
    type: 'f32',
    value: (slot, index) => `weights${slot}[${index}] - base${slot}[${index}]`,
    declarations: `@group(0) @binding(0) var<storage, read_write> tau: array<f32>;\n${inputCode(inputs, 'f32')}`,
    body: 'tau[at] = v;',
  });
}

/** WGSL: task vectors as they are. Bindings: the chunk's, pieces, then that of each slot. */
function copyCode(slots: number): string {
  const inputs = Array.from({ length: slots }, (_, slot) => `part${slot}`);
  return gatherCode({
    slots,
    type: 'f32',
    value: (slot, index) => `part${slot}[${index}]`,
    declarations: `@group(0) @binding(0) var<storage, read_write> tau: array<f32>;\n${inputCode(inputs, 'f32')}`,
    body: 'tau[at] = v;',
  });
}
