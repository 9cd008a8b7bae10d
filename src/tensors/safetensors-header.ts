import { DTYPE_SIZE, type Dtype, elementCount, isDtype } from './dtypes.js';
import { listProblems, MergeguardError } from './errors.js';
import { findDuplicateKeys } from './json-duplicates.js';

/** A safetensors file that is truncated, lying or not one at all. */
export class SafetensorsError extends MergeguardError {
  override name = 'SafetensorsError';
}

/** Largest header that is read, in bytes; the cap of the format's own implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface TensorEntry extends TensorInfo {
  /** first byte of the values, counted from the start of the file */
  readonly begin: number;
  /** byte after the last one */
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/**
 * Length in bytes of the JSON header, from a file's first 8 bytes.
 * @throws SafetensorsError where it is over the cap or over what the file can hold
 */
export function headerLength(bytes: Uint8Array, fileSize: number, what = 'safetensors data'): number {
  if (fileSize < 8 || bytes.length < 8) {
    throw new SafetensorsError(
      `${what} is ${Math.min(fileSize, bytes.length)} bytes long; a safetensors file has at least 8, is it truncated?`,
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new SafetensorsError(
      `${what} declares a header of ${length} bytes, over the cap of ${MAX_HEADER_BYTES}; is it a safetensors file?`,
    );
  }
  if (8 + Number(length) > fileSize) {
    throw new SafetensorsError(
      `${what} declares a header of ${length} bytes, which exceeds the file size (${fileSize}); is it truncated?`,
    );
  }
  return Number(length);
}

function parseObject(bytes: Uint8Array, what: string, problems: string[]): Record<string, unknown> {
  let parsed: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
    for (const key of findDuplicateKeys(text)) {
      problems.push(`the name "${key}" occurs twice`);
    }
  } catch (error) {
    throw new SafetensorsError(`${what} has a header that is not JSON: ${(error as Error).message}`);
  }
  if (!isRecord(parsed)) {
    throw new SafetensorsError(`${what} has a header that is not a JSON object`);
  }
  return parsed;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** One tensor's entry with offsets as declared, or null after adding to `problems`. */
function parseEntry(
  name: string,
  value: unknown,
  dataStart: number,
  fileSize: number,
  problems: string[],
): TensorEntry | null {
  const before = problems.length;
  const say = (text: string) => problems.push(`tensor "${name}" ${text}`);
  if (!isRecord(value)) {
    say('is not a JSON object');
    return null;
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) {
    const known = Object.keys(DTYPE_SIZE).join(', ');
    const way = /^F8_/.test(String(dtype)) ? ' (float8 is not read: save the weights as BF16 first)' : '';
    say(`has the unknown dtype ${JSON.stringify(dtype)}; known are ${known}${way}`);
  }
  const goodShape = Array.isArray(shape) && shape.every(isCount);
  if (!goodShape) {
    say(`has the shape ${JSON.stringify(shape)}, which is not a list of non-negative integers`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    say(`has the data_offsets ${JSON.stringify(offsets)}, which are not two non-negative integers`);
    return null;
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) {
    say(`declares data_offsets [${begin}, ${end}], which end before they begin`);
  } else if (dataStart + end > fileSize) {
    say(
      `declares data_offsets ending at ${end} (byte ${dataStart + end} of the file), which exceeds the file size (${fileSize})`,
    );
  }
  if (isDtype(dtype) && goodShape && begin <= end) {
    const needed = elementCount(shape as number[]) * DTYPE_SIZE[dtype];
    if (needed !== end - begin) {
      say(`is ${dtype} [${shape.join(', ')}], ${needed} bytes, but its data_offsets span ${end - begin}`);
    }
  }
  if (problems.length > before) {
    return null;
  }
  return { dtype: dtype as Dtype, shape: shape as number[], begin: dataStart + begin, end: dataStart + end };
}

/** Ranges must cover the data section once: nothing twice, nothing left over. */
function layoutProblems(
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileSize: number,
): string[] {
  const problems: string[] = [];
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = dataStart;
  let last = 'the header';
  for (const [name, entry] of sorted) {
    if (entry.begin < end) {
      problems.push(`tensor "${name}" overlaps ${last} by ${end - entry.begin} bytes`);
    } else if (entry.begin > end) {
      problems.push(`${entry.begin - end} bytes between ${last} and tensor "${name}" belong to no tensor`);
    }
    if (entry.end >= end) {
      end = entry.end;
      last = `tensor "${name}"`;
    }
  }
  if (end < fileSize) {
    problems.push(`${fileSize - end} bytes after ${last} belong to no tensor`);
  }
  return problems;
}

function parseMetadata(value: unknown, problems: string[]): Record<string, string> {
  if (value === undefined) {
    return {};
  }
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    problems.push('"__metadata__" is not an object of strings');
    return {};
  }
  return value as Record<string, string>;
}

/**
 * Parses and checks a safetensors header. `bytes` are the file's first bytes, at least up to the end of the
 * header; `fileSize` is the whole file's size in bytes. Nothing in the header is trusted: dtypes, shapes and
 * offsets must agree with each other and with the file size, and the ranges must cover the data exactly.
 * @throws SafetensorsError with every problem at once
 */
export function parseHeader(
  bytes: Uint8Array,
  fileSize: number,
  what = 'safetensors data',
): SafetensorsHeader {
  const dataStart = 8 + headerLength(bytes, fileSize, what);
  if (bytes.length < dataStart) {
    throw new SafetensorsError(
      `${what} ends inside its header, at byte ${bytes.length} of ${dataStart}; is it truncated?`,
    );
  }
  const problems: string[] = [];
  const object = parseObject(bytes.subarray(8, dataStart), what, problems);
  const metadata = parseMetadata(object.__metadata__, problems);
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(object)) {
    if (name === '__metadata__') {
      continue;
    }
    const entry = parseEntry(name, value, dataStart, fileSize, problems);
    if (entry !== null) {
      tensors.set(name, entry);
    }
  }
  // With a bad entry or a hidden duplicate its neighbours would show as gaps that are none.
  if (problems.length === 0) {
    problems.push(...layoutProblems(tensors, dataStart, fileSize));
  }
  if (problems.length > 0) {
    throw new SafetensorsError(listProblems(`${what} has a header that can't be trusted:`, problems));
  }
  return { metadata, tensors };
}
