import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { DTYPE_SIZE, encodeData, type TensorData } from './dtypes.js';
import { MergeguardError, messageOf } from './errors.js';
import { SafetensorsError } from './safetensors-header.js';
import {
  type LazyTensor,
  type Planned,
  plan,
  type TensorInput,
  type TensorPlace,
} from './safetensors-plan.js';

/** Bytes that are written in one call: the system takes no more than 2 GiB. */
const MOST_AT_ONCE = 2 ** 30;
/** What the system says where there is no room: none on the disk, none of a quota, a file over its limit. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];

type Input = TensorInput | LazyTensor | TensorPlace;

/** A safetensors file of which the header is written, and the tensors are to be, in any order and in parts of any size. */
export class SafetensorsParts<Given extends Input = Input> {
  /** the tensors in the order in which they lie in the file, the fastest to write them in */
  readonly order: readonly Planned<Given>[];
  readonly #places: ReadonlyMap<string, Planned<Given>>;
  readonly #handle: FileHandle;
  #missing: number;

  constructor(handle: FileHandle, order: readonly Planned<Given>[]) {
    this.#handle = handle;
    this.order = order;
    this.#places = new Map(order.map((each) => [each.name, each]));
    this.#missing = order.reduce((sum, { begin, end }) => sum + end - begin, 0);
  }

  /** Values of a tensor, or a stretch of them. @param start the first one's place in the tensor */
  write(name: string, data: TensorData, start = 0): Promise<void> {
    return this.writeBytes(name, encodeData(data, this.#places.get(name)!.dtype), start);
  }

  /** The same as the bytes that the file has of them. */
  async writeBytes(name: string, bytes: Uint8Array, start = 0): Promise<void> {
    const { dtype, begin, end } = this.#places.get(name)!;
    const from = begin + start * DTYPE_SIZE[dtype];
    if (from + bytes.length > end) {
      throw new Error(`${bytes.length} bytes from value ${start} on are more than "${name}" has`);
    }
    await writeAt(this.#handle, bytes, from);
    this.#missing -= bytes.length;
  }

  /** Bytes that were not written yet, if none was written twice. */
  get missing(): number {
    return this.#missing;
  }
}

/**
 * Writes a safetensors file under a temporary name and renames it when it is complete: a reader sees the old file or
 * the new one, never half of one. `work` writes the tensors, all of them; nothing may be written once it has ended.
 * @throws SafetensorsError for tensors that can't be written or a path that can't be written to; MergeguardErrors of
 * `work` are passed on
 */
export async function writeSafetensorsParts<Given extends Input>(
  path: string,
  tensors: ReadonlyMap<string, Given>,
  metadata: Readonly<Record<string, string>>,
  work: (file: SafetensorsParts<Given>) => Promise<void>,
): Promise<void> {
  const { header, order } = plan(tensors, metadata);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await writeAt(handle, header, 0);
      const file = new SafetensorsParts(handle, order);
      await work(file);
      if (file.missing !== 0) {
        throw new Error(`${file.missing} bytes of its tensors are missing`);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof MergeguardError
      ? error
      : new SafetensorsError(
          `"${path}" can't be written: ${messageOf(error)}${wayOut(error, order.at(-1)?.end ?? header.length)}`,
        );
  }
}

function wayOut(error: unknown, bytes: number): string {
  const isFull = NO_ROOM.includes((error as NodeJS.ErrnoException).code ?? '');
  return isFull ? `; it takes ${(bytes / 1e6).toFixed(1)} MB: make room there, or write it elsewhere` : '';
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, MOST_AT_ONCE);
    const { bytesWritten } = await handle.write(bytes, done, length, position + done);
    done += bytesWritten;
  }
}
