import { SPECTRUM_LENGTH } from '../spectral/index.js';
import type { HostTensor, Tensor } from '../tensors/index.js';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { openReference, type ReferenceFile } from './open-reference.js';
import type { Calibration, Factors, Reference, Subspace } from './reference.js';
import { referenceProblems } from './validate.js';

/** The tensors of two parts that come in pairs, by name. */
function pairUp<Pair>(
  [first, firsts]: readonly [string, ReadonlyMap<string, HostTensor>],
  [second, seconds]: readonly [string, ReadonlyMap<string, HostTensor>],
  make: (first: HostTensor, second: HostTensor) => Pair,
  problems: string[],
): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const name of new Set([...firsts.keys(), ...seconds.keys()])) {
    const one = firsts.get(name);
    const other = seconds.get(name);
    if (one === undefined || other === undefined) {
      problems.push(`the ${one === undefined ? first : second} of ${name} is missing`);
      continue;
    }
    pairs.set(name, make(one, other));
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
  const problems: string[] = [];
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
      ['left factor', await host('tau_left')],
      ['right factor', await host('tau_right')],
      (left, right): Factors => ({ left, right }),
      problems,
    ),
    norms: await file.norms(),
    subspaces: pairUp(
      ['left subspace', await host('left')],
      ['right subspace', await host('right')],
      (left, right): Subspace => ({ k: left.shape[1] ?? 0, left, right }),
      problems,
    ),
    spectra,
    bottoms: await host('bottom'),
    gradient: gradient.size > 0 ? gradient : null,
    head: head.size > 0 ? head : null,
    calibration: asCalibration(await readPart(file, 'calibration'), problems),
    inputGradient: (await host('input_gradient')).get('') ?? null,
  };
  problems.push(...referenceProblems(reference));
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(`${file.what} is not a sound reference; make it again:`, problems),
    );
  }
  return reference;
}

/**
 * Reads a reference written by `writeReference`, all of it, and checks that its parts agree.
 * @throws SafetensorsError for a file that is damaged, MergeguardError for one that is no reference, of a newer
 * version, or that contradicts itself (every problem at once)
 */
export async function readReference(path: string): Promise<Reference> {
  const file = await openReference(path);
  try {
    return await readWhole(file);
  } finally {
    await file.close();
  }
}
