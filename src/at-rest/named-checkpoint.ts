import { FORMAT } from '../reference/index.js';
import {
  type Checkpoint,
  canonicalNames,
  isFloat,
  isRunningStatistic,
  MergeguardError,
  openCheckpoint,
  type Shapes,
  type TensorInfo,
  type ValueRange,
} from '../tensors/index.js';
import { isOtherKind, SAVE_AGAIN } from './other-kinds.js';

/** Values of a tensor: float64 where the last digit counts. */
export type Values = Float32Array | Float64Array;

export interface Excluded {
  readonly name: string;
  readonly reason: string;
}

/** A checkpoint under canonical names, its tensors read when they are asked for. */
export class NamedCheckpoint {
  readonly path: string;
  /** tensors that can be parameters */
  readonly shapes: Shapes;
  /** the others, and why */
  readonly excluded: readonly Excluded[];
  /** canonical name -> name in the file, where it is another */
  readonly renamed: Readonly<Record<string, string>>;
  /** canonical name -> name in the file, of every tensor */
  readonly originals: ReadonlyMap<string, string>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #checkpoint: Checkpoint;
  readonly #precise: boolean;
  readonly #signal: AbortSignal | undefined;

  private constructor(path: string, checkpoint: Checkpoint, precise: boolean, signal?: AbortSignal) {
    this.path = path;
    this.#checkpoint = checkpoint;
    this.#precise = precise;
    this.#signal = signal;
    const names = canonicalNames(checkpoint.names);
    const shapes = new Map<string, readonly number[]>();
    const excluded: Excluded[] = [];
    const originals = new Map<string, string>();
    checkpoint.names.forEach((original, at) => {
      const name = names[at]!;
      const { dtype, shape } = checkpoint.info(original);
      originals.set(name, original);
      if (!isFloat(dtype)) {
        excluded.push({ name, reason: `${dtype}, not a parameter` });
      } else if (isRunningStatistic(name)) {
        excluded.push({ name, reason: 'running statistic, not a parameter' });
      } else {
        shapes.set(name, shape);
      }
    });
    this.shapes = shapes;
    this.excluded = excluded;
    this.originals = originals;
    this.metadata = checkpoint.metadata;
    this.renamed = Object.fromEntries([...originals].filter(([name, original]) => name !== original));
  }

  /**
   * @param precise values as float64; else float32
   * @param signal once it is aborted, reading throws its reason
   */
  static async open(path: string, precise: boolean, signal?: AbortSignal): Promise<NamedCheckpoint> {
    if (isOtherKind(path)) {
      throw new MergeguardError(`"${path}" is not a safetensors file; ${SAVE_AGAIN}`);
    }
    const checkpoint = await openCheckpoint(path);
    try {
      if (checkpoint.metadata.format === FORMAT) {
        throw new MergeguardError(
          `"${path}" is a reference file, which holds a task vector and no weights; give the checkpoint`,
        );
      }
      return new NamedCheckpoint(path, checkpoint, precise, signal);
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
  }

  /** All values of a tensor, or a stretch of them. */
  async read(name: string, range?: ValueRange): Promise<Values> {
    this.#signal?.throwIfAborted();
    const original = this.originals.get(name)!;
    return this.#precise
      ? this.#checkpoint.readFloat64(original, range)
      : this.#checkpoint.readFloat32(original, range);
  }

  /** The same as float32, as the base's identity and references have it. */
  async readFloat32(name: string, range?: ValueRange): Promise<Float32Array> {
    this.#signal?.throwIfAborted();
    return this.#checkpoint.readFloat32(this.originals.get(name)!, range);
  }

  /** The bytes of the same, as they lie in the file. */
  async readBytes(name: string, range?: ValueRange): Promise<Uint8Array> {
    this.#signal?.throwIfAborted();
    return this.#checkpoint.readBytes(this.originals.get(name)!, range);
  }

  /** Of any tensor, parameter or not. */
  info(name: string): TensorInfo {
    return this.#checkpoint.info(this.originals.get(name)!);
  }

  close(): Promise<void> {
    return this.#checkpoint.close();
  }
}
