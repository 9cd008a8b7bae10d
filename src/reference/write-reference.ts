import {
  decodeFloat16,
  encodeFloat16,
  listProblems,
  MergeguardError,
  type NamedTensors,
  type TensorInput,
  writeSafetensors,
} from '../tensors/index.js';
import { descriptionOf, type Reference } from './reference.js';

export const FORMAT = 'mergeguard-reference';
/** Raised when a reader of the version before could not read the file rightly. */
export const VERSION = 1;

/** Largest relative error of a tensor's task vector that float16 may cost. */
const MAX_HALF_ERROR = 0.01;

/** Tensors that float16 can't hold: it ends at 65504 and thins out below 6e-5, where small task vectors lie. */
function halfProblems(tau: NamedTensors): string[] {
  const problems: string[] = [];
  for (const [name, { data }] of tau) {
    let error = 0;
    let norm = 0;
    for (const value of data) {
      error += (decodeFloat16(encodeFloat16(value)) - value) ** 2;
      norm += value ** 2;
    }
    const relative = Math.sqrt(error / norm);
    if (norm > 0 && relative > MAX_HALF_ERROR) {
      problems.push(`tau ${name} would be off by ${(100 * relative).toPrecision(3)} %`);
    }
  }
  return problems;
}

/**
 * Writes a reference as one safetensors file. `dtype` is that of the task vector and defaults to F32; everything
 * else keeps its precision. Tensors: `tau/NAME`, `left/NAME`, `right/NAME`, `spectrum/NAME`, `bottom/NAME`,
 * `gradient/NAME`, `input_gradient`, `head/NAME`, `calibration/images`, `calibration/labels`, `norms`. Metadata: `format`, `version`, and
 * `reference`, the rest as JSON.
 * @throws MergeguardError where float16 would change a tensor's task vector by more than 1 %
 */
export async function writeReference(
  path: string,
  reference: Reference,
  { dtype = 'F32' }: { dtype?: 'F32' | 'F16' } = {},
): Promise<void> {
  const problems = dtype === 'F16' ? halfProblems(reference.tau) : [];
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(`reference "${reference.name}" does not fit into float16; write it as F32:`, problems),
    );
  }
  const parts = new Map<string, TensorInput>();
  parts.set('norms', { shape: [reference.norms.length], data: reference.norms });
  for (const [key, tensor] of reference.tau) {
    parts.set(`tau/${key}`, { ...tensor, dtype });
  }
  for (const [key, { left, right }] of reference.subspaces) {
    parts.set(`left/${key}`, left);
    parts.set(`right/${key}`, right);
  }
  for (const [key, spectrum] of reference.spectra) {
    parts.set(`spectrum/${key}`, { shape: [spectrum.length], data: spectrum });
  }
  for (const [key, tensor] of reference.bottoms) {
    parts.set(`bottom/${key}`, tensor);
  }
  for (const [key, tensor] of reference.gradient ?? []) {
    parts.set(`gradient/${key}`, tensor);
  }
  for (const [key, tensor] of reference.head ?? []) {
    parts.set(`head/${key}`, tensor);
  }
  if (reference.calibration !== null) {
    const { images, labels } = reference.calibration;
    parts.set('calibration/images', images);
    parts.set('calibration/labels', { shape: [labels.length], data: labels });
  }
  if (reference.inputGradient !== null) {
    parts.set('input_gradient', reference.inputGradient);
  }
  await writeSafetensors(path, parts, {
    format: FORMAT,
    version: String(VERSION),
    reference: JSON.stringify(descriptionOf(reference)),
  });
}
