import {
  type Dtype,
  isFloat,
  type SafetensorsParts,
  type TensorPlace,
  toFloat32,
} from '../../tensors/index.js';
import type { NamedCheckpoint, Values } from '../named-checkpoint.js';
import { checkRange } from './encode-merged.js';
import type { Stretch } from './stretches.js';

/** The dtypes that a merged model can be written in. */
export const MERGED_DTYPES = ['F32', 'F16', 'BF16'] as const;
export type MergedDtype = (typeof MERGED_DTYPES)[number];

/** Every tensor of the base, by its name in the file, in the dtype that it is to be written in. */
export function placesOf(base: NamedCheckpoint, dtype: MergedDtype | null): Map<string, TensorPlace> {
  const places = new Map<string, TensorPlace>();
  for (const [name, original] of base.originals) {
    const { dtype: own, shape } = base.info(name);
    places.set(original, { dtype: dtype !== null && isFloat(own) ? dtype : own, shape });
  }
  return places;
}

/** The merged model's file; tensors go by their canonical names. */
export class MergedOutput {
  readonly #file: SafetensorsParts<TensorPlace>;
  readonly #places: ReadonlyMap<string, TensorPlace>;
  readonly #base: NamedCheckpoint;

  constructor(
    file: SafetensorsParts<TensorPlace>,
    places: ReadonlyMap<string, TensorPlace>,
    base: NamedCheckpoint,
  ) {
    this.#file = file;
    this.#places = places;
    this.#base = base;
  }

  dtype(name: string): Dtype {
    return this.#places.get(this.#original(name))!.dtype;
  }

  /** @param values float64 for F64, float32 for what is narrower */
  write(name: string, values: Values, start: number): Promise<void> {
    return this.#file.write(this.#original(name), values, start);
  }

  /** A stretch of the base: byte by byte where the dtype stays. */
  async copy({ tensor: { name }, range }: Stretch): Promise<void> {
    const dtype = this.dtype(name);
    if (dtype === this.#base.info(name).dtype) {
      const bytes = await this.#base.readBytes(name, range);
      return this.#file.writeBytes(this.#original(name), bytes, range.start);
    }
    const values = await this.#base.read(name, range);
    checkRange(values, dtype, name);
    return this.write(name, toFloat32(values), range.start);
  }

  #original(name: string): string {
    return this.#base.originals.get(name)!;
  }
}
