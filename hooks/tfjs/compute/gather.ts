import * as tf from '@tensorflow/tfjs';
import { BLOCK, type Chunk, type FlatLayout } from '../flat-layout.js';

/** Threads of a workgroup, everywhere here: every device has as many. */
export const LANES = 256;
/** Elements that one workgroup moves: 65,535 of them, which is the most in a dispatch, make a tensor of 2^30 elements. */
const PIECE = 1 << 14;
/** Bindings that are no slots: the chunk, the pieces. */
export const GATHER_FIXED = 2;
/** Elements that a thread has under way at once. */
const AT_ONCE = 4;

/** Tensors of a chunk that one dispatch takes, and where their pieces go. */
export interface Gathering {
  /** indices into the layout's tensors */
  readonly tensors: readonly number[];
  /** [pieces, 4] int32, kept: slot of the tensor, first element in it, first element in the chunk, elements */
  readonly pieces: tf.Tensor2D;
}

/** Puts tensors of a chunk in groups of at most `slots`, since a kernel binds only so many buffers. The pieces are the caller's. */
export function gatherings(
  layout: FlatLayout,
  chunk: Chunk,
  tensors: readonly number[],
  slots: number,
): Gathering[] {
  const found: Gathering[] = [];
  for (let first = 0; first < tensors.length; first += slots) {
    const group = tensors.slice(first, first + slots);
    const rows: number[] = [];
    group.forEach((tensor, slot) => {
      const { size } = layout.tensors[tensor].variable;
      const offset = chunk.offsets[chunk.tensors.indexOf(tensor)];
      for (let from = 0; from < size; from += PIECE) {
        rows.push(slot, from, offset + from, Math.min(PIECE, size - from));
      }
    });
    const pieces = tf.keep(tf.tensor2d(rows, [rows.length / 4, 4], 'int32'));
    found.push({ tensors: group, pieces });
  }
  return found;
}

/** As many as the kernel has slots: one that nothing is left for is never looked at, but has to be bound. */
export function filled<Value>(values: readonly Value[], slots: number): Value[] {
  return Array.from({ length: slots }, (_, slot) => values[slot] ?? values[0]);
}

/** WGSL: the declarations of pieces and of what slots read, in the order of bindings, after the chunk at 0. */
export function inputCode(names: readonly string[], type: 'f32' | 'u32'): string {
  const inputs = names.map(
    (name, n) => `@group(0) @binding(${n + GATHER_FIXED}) var<storage, read> ${name}: array<${type}>;`,
  );
  return ['@group(0) @binding(1) var<storage, read> pieces: array<vec4<u32>>;', ...inputs].join('\n');
}

/**
 * WGSL of a kernel over pieces, one a workgroup. Slots are buffers of their own, which WGSL has no index for: a switch finds them,
 * once for several elements of a thread. Neighbouring threads take neighbouring elements, since tensors need not be as long as
 * a multiple of a vector.
 * @param slots how many there are
 * @param value of an element, of the slot's buffers and the index
 * @param type of value
 * @param body what to do with `v`, the element's value (0 in the padding), at index `at` of the chunk
 */
export function gatherCode(parts: {
  readonly slots: number;
  readonly value: (slot: number, index: string) => string;
  readonly type: 'f32' | 'u32';
  readonly declarations: string;
  readonly body: string;
}): string {
  const { slots, value, type, declarations, body } = parts;
  const steps = Array.from({ length: AT_ONCE }, (_, step) => `${step * LANES}u`);
  const cases = Array.from({ length: slots }, (_, slot) => {
    const values = steps.map((step) => value(slot, `i + ${step}`));
    return `case ${slot}u: { return vec4<${type}>(${values.join(', ')}); }`;
  });
  return `
${declarations}

fn elements(slot: u32, i: u32) -> vec4<${type}> {
  switch slot {
    ${cases.join('\n    ')}
    default: { return vec4<${type}>(); }
  }
}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let piece = pieces[group.x];
  let count = piece.w;
  let padded = (count + ${BLOCK - 1}u) / ${BLOCK}u * ${BLOCK}u;
  for (var i = lane; i < padded; i += ${AT_ONCE * LANES}u) {
    let found = elements(piece.x, piece.y + i);
    ${steps
      .map(
        (step, index) => `if (i + ${step} < padded) {
      let v = select(${type}(), found[${index}], i + ${step} < count);
      let at = piece.z + i + ${step};
      ${body}
    }`,
      )
      .join('\n    ')}
  }
}
`;
}
