import { LANES } from '../compute/gather.js';
import { LIVE_ROWS, ROWS_PER_REFERENCE } from './tick-sums.js';

/** What one dispatch compares the live vectors with. */
export interface Comparison {
  /** the rows of the live vectors are among those to be made */
  readonly live: boolean;
  /** there are live gradients */
  readonly gradient: boolean;
  /** for each reference, whether it has gradients too; only where there are live ones */
  readonly references: readonly boolean[];
}

/** Items of one uniform buffer: 64 KiB, which every device has. */
export const MOST_ITEMS = 4096;
/** Bits of a NaN: WGSL has no literal for it. */
const NAN_BITS = '0x7fc00000u';
/** Threads that add up one row of a tensor. */
const REDUCING = 64;

export function rowCount({ live, references }: Comparison): number {
  return (live ? LIVE_ROWS : 0) + ROWS_PER_REFERENCE * references.length;
}

/**
 * WGSL: partial sums [items, rows], each item a stretch of one tensor. Every operand is read once, four elements at a time; a thread
 * sums few products, the rest is a tree over the workgroup. Bindings: partial sums, items, task vector; with gradients their
 * running sums and the counters that correct them; then task vector and gradient of each reference.
 */
export function compareCode(comparison: Comparison): string {
  const { live, gradient, references } = comparison;
  const bindings = ['var<storage, read> tau: array<vec4<f32>>;'];
  const loads = ['let t = tau[i];'];
  /** by row: what it adds up; null: there is nothing to be compared */
  const rows: (string | null)[] = [];
  if (gradient) {
    bindings.push('var<storage, read> sums: array<vec4<f32>>;', 'var<storage, read> counters: array<f32>;');
    loads.push('let g = sums[i] * scale;');
  }
  if (live) {
    rows.push('dot(t, t)', gradient ? 'dot(g, g)' : null);
  }
  references.forEach((hasGradient, r) => {
    bindings.push(`var<storage, read> tau${r}: array<vec4<f32>>;`);
    loads.push(`let t${r} = tau${r}[i];`, `let dt${r} = t - t${r};`);
    rows.push(`dot(t, t${r})`, `dot(dt${r}, dt${r})`);
    if (hasGradient) {
      bindings.push(`var<storage, read> gradient${r}: array<vec4<f32>>;`);
      loads.push(`let g${r} = gradient${r}[i];`, `let dg${r} = g - g${r};`);
      rows.push(`dot(g, g${r})`, `dot(dg${r}, dg${r})`);
    } else {
      rows.push(null, null);
    }
  });
  const each = <Result>(make: (row: number) => Result) => rows.map((_, row) => make(row));
  const totals = Array.from({ length: Math.ceil(rows.length / 4) }, (_, four) => {
    const parts = [0, 1, 2, 3].map((k) => (4 * four + k < rows.length ? `s${4 * four + k}` : '0.0'));
    return `let total${four} = total(lane, vec4<f32>(${parts.join(', ')}));`;
  });
  return `
@group(0) @binding(0) var<storage, read_write> partial: array<u32>;
// Where an item begins, how long it is, in vectors of four; its number.
@group(0) @binding(1) var<uniform> items: array<vec4<u32>, ${MOST_ITEMS}>;
${bindings.map((binding, b) => `@group(0) @binding(${b + 2}) ${binding}`).join('\n')}

var<workgroup> shared_sums: array<vec4<f32>, ${LANES}>;

fn total(lane: u32, value: vec4<f32>) -> vec4<f32> {
  shared_sums[lane] = value;
  workgroupBarrier();
  for (var width = ${LANES / 4}u; width > 0u; width /= 4u) {
    if (lane < width) {
      shared_sums[lane] = (shared_sums[lane] + shared_sums[lane + width])
        + (shared_sums[lane + 2u * width] + shared_sums[lane + 3u * width]);
    }
    workgroupBarrier();
  }
  let sum = shared_sums[0];
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let item = items[group.x];
  ${gradient ? 'let scale = 1.0 / (1.0 - counters[0]);' : ''}
  ${each((row) => `var s${row} = 0.0;`).join('\n  ')}
  for (var i = item.x + lane; i < item.x + item.y; i += ${LANES}u) {
    ${loads.join('\n    ')}
    ${rows.flatMap((sum, row) => (sum === null ? [] : [`s${row} += ${sum};`])).join('\n    ')}
  }
  ${totals.join('\n  ')}
  if (lane == 0u) {
    let at = item.z * ${rows.length}u;
    ${each((row) => {
      const value = `bitcast<u32>(total${Math.floor(row / 4)}[${row % 4}])`;
      return `partial[at + ${row}u] = ${rows[row] === null ? NAN_BITS : value};`;
    }).join('\n    ')}
  }
}
`;
}

/**
 * WGSL: partial sums [items, rows] to sums [rows, tensors], one workgroup a sum. What is not finite is NaN. Compilers may take it
 * that no float is, so bits are looked at, and come straight from memory. Bindings: sums, partial sums, the first item of each
 * tensor and of what would be the next one.
 */
export function reduceCode(rows: number): string {
  return `
@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@group(0) @binding(1) var<storage, read> partial: array<u32>;
@group(0) @binding(2) var<storage, read> firsts: array<u32>;

var<workgroup> shared_sums: array<f32, ${REDUCING}>;
var<workgroup> broken: atomic<u32>;

fn is_finite(bits: u32) -> bool {
  return (bits & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(${REDUCING})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var item = firsts[group.x] + lane; item < firsts[group.x + 1u]; item += ${REDUCING}u) {
    let bits = partial[item * ${rows}u + group.y];
    if (is_finite(bits)) {
      sum += bitcast<f32>(bits);
    } else {
      atomicStore(&broken, 1u);
    }
  }
  shared_sums[lane] = sum;
  workgroupBarrier();
  for (var width = ${REDUCING / 2}u; width > 0u; width /= 2u) {
    if (lane < width) {
      shared_sums[lane] += shared_sums[lane + width];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    let bits = bitcast<u32>(shared_sums[0]);
    let at = group.y * (arrayLength(&firsts) - 1u) + group.x;
    sums[at] = select(${NAN_BITS}, bits, is_finite(bits) && atomicLoad(&broken) == 0u);
  }
}
`;
}
