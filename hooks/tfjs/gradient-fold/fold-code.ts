import { gatherCode, inputCode } from '../compute/gather.js';

/** Exponent of an infinity or a NaN: compilers may take it that no float is one, so bits are looked at. */
const EXPONENT = '0x7f800000u';
/** WGSL: what a fold does to sums: multiplied by keep, and the gradient by weight added. A rehearsal keeps all and adds nothing. */
const FOLD = `
struct Fold {
  keep: f32,
  weight: f32,
  step: f32,
}
`;
/** 16 bytes */
export const FOLD_FLOATS = 4;

function gradients(slots: number): string[] {
  return Array.from({ length: slots }, (_, slot) => `gradient${slot}`);
}

const element = (slot: number, index: string) => `gradient${slot}[${index}]`;

/** WGSL: notes whether anything is not finite. Bindings: broken, pieces, then the gradient of each slot. */
export function checkCode(slots: number): string {
  return gatherCode({
    slots,
    type: 'u32',
    value: element,
    declarations: `@group(0) @binding(0) var<storage, read_write> broken: atomic<u32>;\n${inputCode(gradients(slots), 'u32')}`,
    body: `if ((v & ${EXPONENT}) == ${EXPONENT}) { atomicStore(&broken, 1u); }`,
  });
}

/** WGSL: the running sums of a chunk, in place. Bindings: sums, pieces, the gradient of each slot, broken, fold. */
export function sumCode(slots: number): string {
  const inputs = inputCode([...gradients(slots), 'broken'], 'u32');
  return gatherCode({
    slots,
    type: 'u32',
    value: element,
    declarations: `${FOLD}
@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
${inputs}
@group(0) @binding(${slots + 3}) var<uniform> fold: Fold;`,
    body: 'if (broken[0] == 0u) { sums[at] = fold.keep * sums[at] + fold.weight * bitcast<f32>(v); }',
  });
}

/** WGSL: the counters; and nothing is broken any more. Bindings: counters, broken, fold. */
export function countCode(): string {
  return `${FOLD}
@group(0) @binding(0) var<storage, read_write> counters: array<f32, 3>;
@group(0) @binding(1) var<storage, read_write> broken: u32;
@group(0) @binding(2) var<uniform> fold: Fold;

@compute @workgroup_size(1)
fn main() {
  let counts = fold.weight > 0.0;
  if (broken == 0u) {
    counters[0] *= fold.keep;
    counters[2] = select(counters[2], fold.step, counts);
  } else {
    counters[1] += select(0.0, 1.0, counts);
  }
  broken = 0u;
}
`;
}
