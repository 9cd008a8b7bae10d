import {
  type HostTensor,
  listProblems,
  MergeguardError,
  openSafetensors,
  type SafetensorsFile,
  type Tensor,
} from '../tensors/index.js';
import {
  type Calibration,
  type Description,
  descriptionSchema,
  type Reference,
  type Subspace,
} from './reference.js';
import { referenceProblems } from './validate.js';
import { FORMAT, VERSION } from './write-reference.js';

/** What each part of the file must hold: tau may be float16, which reads as float32. */
const PART_DTYPES: Readonly<Record<string, readonly string[]>> = {
  norms: ['F64'],
  tau: ['F32', 'F16'],
  left: ['F32'],
  right: ['F32'],
  spectrum: ['F64'],
  bottom: ['F32'],
  gradient: ['F32'],
  input_gradient: ['F32'],
  head: ['F32'],
};
/** Parts that are one tensor, and not one of many by name. */
const WHOLE_PARTS = new Set(['norms', 'input_gradient']);
const CALIBRATION_DTYPES: Readonly<Record<string, string>> = { images: 'F32', labels: 'I32' };

function readDescription(metadata: Readonly<Record<string, string>>, what: string): Description {
  if (metadata.format !== FORMAT) {
    throw new MergeguardError(
      `${what} is not a mergeguard reference (its metadata says format "${metadata.format ?? ''}", not "${FORMAT}"); make one from the checkpoint first`,
    );
  }
  const version = Number(metadata.version);
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new MergeguardError(`${what} has the version "${metadata.version}", which is not a number from 1`);
  }
  if (version > VERSION) {
    throw new MergeguardError(
      `${what} has version ${version} of the reference format, this mergeguard reads up to ${VERSION}; upgrade mergeguard or make the reference again`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(metadata.reference ?? '');
  } catch (error) {
    throw new MergeguardError(`${what} has a description that is not JSON: ${(error as Error).message}`);
  }
  const parsed = descriptionSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new MergeguardError(listProblems(`${what} has a description that is not complete:`, problems));
  }
  return parsed.data;
}

/** Reads every tensor into its part; a tensor of no known part is a problem, not skipped. */
async function readParts(
  file: SafetensorsFile,
  problems: string[],
): Promise<Map<string, Map<string, Tensor>>> {
  const parts = new Map<string, Map<string, Tensor>>();
  for (const full of file.names) {
    const slash = full.indexOf('/');
    const part = slash < 0 ? full : full.slice(0, slash);
    const name = slash < 0 ? '' : full.slice(slash + 1);
    const calibration = part === 'calibration' && Object.hasOwn(CALIBRATION_DTYPES, name);
    const known = Object.hasOwn(PART_DTYPES, part) && WHOLE_PARTS.has(part) === (name === '');
    if (!calibration && !known) {
      problems.push(`tensor "${full}" is no part of a reference`);
      continue;
    }
    const allowed = calibration ? [CALIBRATION_DTYPES[name]!] : PART_DTYPES[part]!;
    const { dtype } = file.info(full);
    if (!allowed.includes(dtype)) {
      problems.push(`tensor "${full}" is ${dtype}, not ${allowed.join(' or ')}`);
      continue;
    }
    const tensors = parts.get(part) ?? new Map<string, Tensor>();
    tensors.set(name, await file.read(full));
    parts.set(part, tensors);
  }
  return parts;
}

/** A part's tensors as float32 ones, which `readParts` has checked that they are. */
function asHost(part: ReadonlyMap<string, Tensor> = new Map()): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of part) {
    tensors.set(name, { shape, data: data as Float32Array });
  }
  return tensors;
}

function asSubspaces(
  lefts: ReadonlyMap<string, HostTensor>,
  rights: ReadonlyMap<string, HostTensor>,
  problems: string[],
): Map<string, Subspace> {
  const subspaces = new Map<string, Subspace>();
  for (const name of new Set([...lefts.keys(), ...rights.keys()])) {
    const left = lefts.get(name);
    const right = rights.get(name);
    if (left === undefined || right === undefined) {
      problems.push(`the ${left === undefined ? 'left' : 'right'} subspace of ${name} is missing`);
      continue;
    }
    subspaces.set(name, { k: left.shape[1] ?? 0, left, right });
  }
  return subspaces;
}

function asCalibration(
  part: ReadonlyMap<string, Tensor> | undefined,
  problems: string[],
): Calibration | null {
  const images = part?.get('images');
  const labels = part?.get('labels');
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

async function readOpen(file: SafetensorsFile, what: string): Promise<Reference> {
  const description = readDescription(file.metadata, what);
  const problems: string[] = [];
  const parts = await readParts(file, problems);
  const spectra = new Map<string, Float64Array>();
  for (const [name, { data }] of parts.get('spectrum') ?? []) {
    spectra.set(name, data as Float64Array);
  }
  const reference: Reference = {
    ...description,
    tau: asHost(parts.get('tau')),
    norms: (parts.get('norms')?.get('')?.data ?? new Float64Array()) as Float64Array,
    subspaces: asSubspaces(asHost(parts.get('left')), asHost(parts.get('right')), problems),
    spectra,
    bottoms: asHost(parts.get('bottom')),
    gradient: parts.has('gradient') ? asHost(parts.get('gradient')) : null,
    head: parts.has('head') ? asHost(parts.get('head')) : null,
    calibration: asCalibration(parts.get('calibration'), problems),
    inputGradient: asHost(parts.get('input_gradient')).get('') ?? null,
  };
  problems.push(...referenceProblems(reference));
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`${what} is not a sound reference; make it again:`, problems));
  }
  return reference;
}

/**
 * Reads a reference written by `writeReference`, all of it, and checks that its parts agree.
 * @throws SafetensorsError for a file that is damaged, MergeguardError for one that is no reference, of a newer
 * version, or that contradicts itself (every problem at once)
 */
export async function readReference(path: string): Promise<Reference> {
  const file = await openSafetensors(path);
  try {
    return await readOpen(file, `"${path}"`);
  } finally {
    await file.close();
  }
}
