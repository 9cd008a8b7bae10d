import {
  type HostTensor,
  type LazyTensor,
  listProblems,
  MergeguardError,
  type TensorInput,
  writeSafetensors,
} from '../tensors/index.js';
import { float16Error } from './float16-error.js';
import { type Description, descriptionOf, type Reference } from './reference.js';

export const FORMAT = 'mergeguard-reference';
/** Raised when a reader of the version before could not read the file rightly. 2: factors, bottoms, input gradients. */
export const VERSION = 2;

/** Dtypes that a task vector may be stored in. */
export type TauDtype = 'F32' | 'F16';

/** A reference whose task vector need not be in memory. */
export type ReferenceParts = Omit<Reference, keyof Description | 'tau'> & {
  readonly description: Description;
  readonly tau: ReadonlyMap<string, TensorInput | LazyTensor>;
};

/**
 * Writes a reference as one safetensors file. `dtype` is that of the task vector and defaults to F32; everything
 * else keeps its precision.
 * @throws MergeguardError where float16 would change a tensor's task vector by more than 1 %
 */
export async function writeReference(
  path: string,
  reference: Reference,
  { dtype = 'F32' }: { dtype?: TauDtype } = {},
): Promise<void> {
  const problems: string[] = [];
  const tau = new Map<string, TensorInput>();
  for (const [name, tensor] of reference.tau) {
    tau.set(name, { ...tensor, dtype });
    const problem = dtype === 'F16' ? float16Error(name, tensor.data) : null;
    if (problem !== null) problems.push(problem);
  }
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(`reference "${reference.name}" does not fit into float16; write it as F32:`, problems),
    );
  }
  await writeReferenceParts(path, { ...reference, tau, description: descriptionOf(reference) });
}

/**
 * Writes a reference from its parts, the task vector one tensor at a time. Tensors: `tau/NAME` or `tau_left/NAME` and
 * `tau_right/NAME`, `left/NAME`, `right/NAME`, `spectrum/NAME`, `bottom/NAME`, `gradient/NAME`, `input_gradient`,
 * `head/NAME`, `calibration/images`, `calibration/labels`, `norms`. Metadata: `format`, `version`, and `reference`, the rest as JSON.
 */
export async function writeReferenceParts(path: string, reference: ReferenceParts): Promise<void> {
  const parts = new Map<string, TensorInput | LazyTensor>();
  const add = (part: string, tensors: Iterable<readonly [string, TensorInput | LazyTensor]>) => {
    for (const [name, tensor] of tensors) {
      parts.set(`${part}/${name}`, tensor);
    }
  };
  const side = <Pair>(pairs: ReadonlyMap<string, Pair>, pick: (pair: Pair) => HostTensor) =>
    [...pairs].map(([name, pair]) => [name, pick(pair)] as const);
  parts.set('norms', { shape: [reference.norms.length], data: reference.norms });
  add('tau', reference.tau);
  add(
    'tau_left',
    side(reference.factors, ({ left }) => left),
  );
  add(
    'tau_right',
    side(reference.factors, ({ right }) => right),
  );
  add(
    'left',
    side(reference.subspaces, ({ left }) => left),
  );
  add(
    'right',
    side(reference.subspaces, ({ right }) => right),
  );
  for (const [name, spectrum] of reference.spectra) {
    parts.set(`spectrum/${name}`, { shape: [spectrum.length], data: spectrum });
  }
  add('bottom', reference.bottoms);
  add('gradient', reference.gradient ?? []);
  add('head', reference.head ?? []);
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
    reference: JSON.stringify(reference.description),
  });
}
