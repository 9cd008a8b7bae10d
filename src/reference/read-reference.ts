import { SPECTRUM_LENGTH } from '../spectral/index.js';
import type { HostTensor, Tensor } from '../tensors/index.js';
import { fileProblems, openUnchecked, type ReferenceFile, refuseUnsound } from './open-reference.js';
import type { Calibration, Factors, Reference, Subspace } from './reference.js';
import { contentProblems } from './validate.js';

/** The tensors of two parts that come in pairs, by name; what only one of them has is the layout's problem. */
function pairUp<Pair>(
  firsts: ReadonlyMap<string, HostTensor>,
  seconds: ReadonlyMap<string, HostTensor>,
  make: (first: HostTensor, second: HostTensor) => Pair,
): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const [name, one] of firsts) {
    const other = seconds.get(name);
    if (other !== undefined) {
      pairs.set(name, make(one, other));
    }
  }
  return pairs;
}

function asCalibration(part: ReadonlyMap<string, Tensor>, problems: string[]): Calibration | null {
  const images = part.get('images');
  const labels = part.get('labels');
  if (images === undefined && labels === undefined) {
    return null;
  }
  if (images === undefined || labels === undefined) {
    problems.push(`the calibration ${images === undefined ? 'images' : 'labels'} are missing`);
    return null;
  }
  return {
    images: { shape: images.shape, data: images.data as Float32Array },
    labels: labels.data as Int32Array,
  };
}

/** The same without their dtypes. */
async function readHostPart(file: ReferenceFile, part: string): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of await readPart(file, part)) {
    tensors.set(name, { shape, data: data as Float32Array });
  }
  return tensors;
}

/** All tensors of a part, by name; opening the file has checked their dtypes. */
async function readPart(file: ReferenceFile, part: string): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const name of file.names(part)) {
    tensors.set(name, await file.read(part, name));
  }
  return tensors;
}

async function readWhole(file: ReferenceFile): Promise<Reference> {
  const problems = await fileProblems(file);
  const host = (part: string) => readHostPart(file, part);
  const spectra = new Map<string, Float64Array>();
  for (const [name, { data }] of await readPart(file, 'spectrum')) {
    // Version 1 stored all singular values.
    spectra.set(name, (data as Float64Array).slice(0, SPECTRUM_LENGTH));
  }
  const [gradient, head] = [await host('gradient'), await host('head')];
  const reference: Reference = {
    ...file.description,
    tau: await host('tau'),
    factors: pairUp(
      await host('tau_left'),
      await host('tau_right'),
      (left, right): Factors => ({ left, right }),
    ),
    norms: await file.norms(),
    subspaces: pairUp(
      await host('left'),
      await host('right'),
      (left, right): Subspace => ({ k: left.shape[1] ?? 0, left, right }),
    ),
    spectra,
    bottoms: await host('bottom'),
    gradient: gradient.size > 0 ? gradient : null,
    head: head.size > 0 ? head : null,
    calibration: asCalibration(await readPart(file, 'calibration'), problems),
    inputGradient: (await host('input_gradient')).get('') ?? null,
  };
  problems.push(...contentProblems(reference));
  refuseUnsound(file, problems);
  return reference;
}

/**
 * Reads a reference written by `writeReference`, all of it, and checks that its parts agree.
 * @throws SafetensorsError for a file that is damaged, MergeguardError for one that is no reference, of a newer
 * version, or that contradicts itself (every problem at once)
 */
export async function readReference(path: string): Promise<Reference> {
  const file = await openUnchecked(path);
  try {
    return await readWhole(file);
  } finally {
    await file.close();
  }
}
