import { type FileHandle, open } from 'node:fs/promises';
import { DTYPE_SIZE, decodeData, elementCount, type TensorData, toFloat32, toFloat64 } from './dtypes.js';
import { fileProblem } from './errors.js';
import {
  headerLength,
  parseHeader,
  SafetensorsError,
  type TensorEntry,
  type TensorInfo,
} from './safetensors-header.js';

export interface Tensor extends TensorInfo {
  /** row-major; F16 and BF16 as Float32Array, BOOL as Uint8Array */
  readonly data: TensorData;
}

/** A stretch of a tensor's values in row-major order. */
export interface ValueRange {
  readonly start: number;
  readonly count: number;
}

/** Bytes that are asked for in one call: the system takes no more than 2 GiB. */
const MOST_AT_ONCE = 2 ** 30;

async function readExactly(
  handle: FileHandle,
  begin: number,
  length: number,
  what: string,
): Promise<ArrayBuffer> {
  // In a buffer of its own that nobody fills with zeros: all of it is read, or nothing is given.
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, MOST_AT_ONCE), begin + done);
    if (bytesRead === 0) {
      throw new SafetensorsError(
        `${what} ended at byte ${begin + done} while it was being read; was it replaced?`,
      );
    }
    done += bytesRead;
  }
  return bytes.buffer as ArrayBuffer;
}

/** An open safetensors file; single tensors are read by offset when they are asked for. */
export class SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly names: readonly string[];
  readonly #tensors: ReadonlyMap<string, TensorEntry>;
  readonly #handle: FileHandle;
  readonly #what: string;

  private constructor(
    handle: FileHandle,
    what: string,
    metadata: Readonly<Record<string, string>>,
    tensors: ReadonlyMap<string, TensorEntry>,
  ) {
    this.#handle = handle;
    this.#what = what;
    this.#tensors = tensors;
    this.metadata = metadata;
    this.names = [...tensors.keys()];
  }

  static async open(path: string): Promise<SafetensorsFile> {
    const what = `"${path}"`;
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      throw new SafetensorsError(`${what} can't be opened: ${fileProblem(error)}`);
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) {
        throw new SafetensorsError(`${what} is not a file`);
      }
      const first = new Uint8Array(await readExactly(handle, 0, Math.min(8, stat.size), what));
      const length = headerLength(first, stat.size, what);
      const start = new Uint8Array(await readExactly(handle, 0, 8 + length, what));
      const { metadata, tensors } = parseHeader(start, stat.size, what);
      return new SafetensorsFile(handle, what, metadata, tensors);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** @throws SafetensorsError for a name that the file does not hold */
  info(name: string): TensorInfo {
    return this.#entry(name);
  }

  /** Values of one tensor, or of a stretch of it, in a fresh array; `shape` is the whole tensor's. */
  async read(name: string, range?: ValueRange): Promise<Tensor> {
    const { dtype, shape } = this.#entry(name);
    return { dtype, shape, data: decodeData(await this.#bytes(name, range), dtype) };
  }

  /** The bytes of the same, as they lie in the file. */
  async readBytes(name: string, range?: ValueRange): Promise<Uint8Array> {
    return new Uint8Array(await this.#bytes(name, range));
  }

  /** Values of one tensor, or of a stretch of it, as float32; F64 and integers are rounded. */
  async readFloat32(name: string, range?: ValueRange): Promise<Float32Array> {
    return toFloat32((await this.read(name, range)).data);
  }

  /** The same as float64. */
  async readFloat64(name: string, range?: ValueRange): Promise<Float64Array> {
    return toFloat64((await this.read(name, range)).data);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #bytes(name: string, range: ValueRange | undefined): Promise<ArrayBuffer> {
    const { dtype, shape, begin, end } = this.#entry(name);
    let from = begin;
    let length = end - begin;
    if (range !== undefined) {
      if (range.start < 0 || range.count < 0 || range.start + range.count > elementCount(shape)) {
        throw new SafetensorsError(
          `${this.#what}: values ${range.start} to ${range.start + range.count} of "${name}" were asked for, which has ${elementCount(shape)}`,
        );
      }
      from = begin + range.start * DTYPE_SIZE[dtype];
      length = range.count * DTYPE_SIZE[dtype];
    }
    return readExactly(this.#handle, from, length, this.#what);
  }

  #entry(name: string): TensorEntry {
    const entry = this.#tensors.get(name);
    if (entry === undefined) {
      throw new SafetensorsError(
        `${this.#what} holds no tensor "${name}" (it holds ${this.names.length} others)`,
      );
    }
    return entry;
  }
}

/** Opens a file and checks its header; reads no tensor. Close it when done. */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return SafetensorsFile.open(path);
}

export interface SafetensorsContent {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Reads a whole safetensors file from memory; the tensors share nothing with `bytes`. */
export function parseSafetensors(bytes: Uint8Array, what = 'safetensors data'): SafetensorsContent {
  const header = parseHeader(bytes, bytes.length, what);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, begin, end }] of header.tensors) {
    const copy = new Uint8Array(end - begin);
    copy.set(bytes.subarray(begin, end));
    tensors.set(name, { dtype, shape, data: decodeData(copy.buffer, dtype) });
  }
  return { metadata: header.metadata, tensors };
}
