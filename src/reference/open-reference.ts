import {
  listProblems,
  MergeguardError,
  openSafetensors,
  type SafetensorsFile,
  type Tensor,
  type TensorInfo,
  type ValueRange,
} from '../tensors/index.js';
import { layoutProblems } from './layout.js';
import { type Description, descriptionSchema } from './reference.js';
import { FORMAT, VERSION } from './write-reference.js';

/** What each part of the file must hold: tau may be float16, which reads as float32. */
const PART_DTYPES: Readonly<Record<string, readonly string[]>> = {
  norms: ['F64'],
  tau: ['F32', 'F16'],
  tau_left: ['F32'],
  tau_right: ['F32'],
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

/** The file's version, where this reader knows it. */
function readVersion(metadata: Readonly<Record<string, string>>, what: string): number {
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
  return version;
}

function readDescription(metadata: Readonly<Record<string, string>>, what: string): Description {
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

/** Names of the file's tensors by part; a tensor of no known part or another dtype is a problem, not skipped. */
function sortParts(file: SafetensorsFile, problems: string[]): Map<string, string[]> {
  const parts = new Map<string, string[]>();
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
    parts.set(part, [...(parts.get(part) ?? []), name]);
  }
  return parts;
}

function fullName(part: string, name: string): string {
  return name === '' ? part : `${part}/${name}`;
}

/** An open reference file; its tensors are read when they are asked for. Close it when done. */
export class ReferenceFile {
  readonly description: Description;
  /** of the format; 1 has no bottoms and no factors */
  readonly version: number;
  /** the path in quotes, for messages */
  readonly what: string;
  readonly #file: SafetensorsFile;
  readonly #parts: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(file: SafetensorsFile, path: string) {
    this.what = `"${path}"`;
    this.#file = file;
    this.version = readVersion(file.metadata, this.what);
    this.description = readDescription(file.metadata, this.what);
    const problems: string[] = [];
    const parts = sortParts(file, problems);
    refuseUnsound(this, problems);
    this.#parts = new Map([...parts].map(([part, names]) => [part, new Set(names)]));
  }

  /** Names of the tensors of a part, such as `tau` or `left`. */
  names(part: string): readonly string[] {
    return [...(this.#parts.get(part) ?? [])];
  }

  has(part: string, name: string): boolean {
    return this.#parts.get(part)?.has(name) ?? false;
  }

  info(part: string, name: string): TensorInfo {
    return this.#file.info(fullName(part, name));
  }

  read(part: string, name: string, range?: ValueRange): Promise<Tensor> {
    return this.#file.read(fullName(part, name), range);
  }

  /** [T] ‖tau‖² by tensor; empty where the file has none */
  async norms(): Promise<Float64Array> {
    return this.has('norms', '') ? ((await this.read('norms', '')).data as Float64Array) : new Float64Array();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Everything in which the file's tensors do not fit each other, by their shapes and the norms alone. */
export async function fileProblems(file: ReferenceFile): Promise<string[]> {
  const shapes = (part: string) =>
    new Map(file.names(part).map((name) => [name, file.info(part, name).shape]));
  const { tensors } = file.description;
  return layoutProblems({ tensors, norms: await file.norms(), shapes });
}

/** @throws MergeguardError with a file's problems, if there are any */
export function refuseUnsound(file: Pick<ReferenceFile, 'what'>, problems: readonly string[]): void {
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(`${file.what} is not a sound reference; make it again:`, problems),
    );
  }
}

/** Opens a reference of which only the names and dtypes are checked: for who checks all of it. */
export async function openUnchecked(path: string): Promise<ReferenceFile> {
  const file = await openSafetensors(path);
  try {
    return new ReferenceFile(file, path);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Opens a reference and checks what its header and its norms say: that its parts fit its tensors and each other, and that no
 * task vector is missing. Reads no other tensor.
 * @throws SafetensorsError for a file that is damaged, MergeguardError for one that is no reference, of a newer version, or
 * that contradicts itself (every problem at once)
 */
export async function openReference(path: string): Promise<ReferenceFile> {
  const file = await openUnchecked(path);
  try {
    refuseUnsound(file, await fileProblems(file));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
