import { decodeFloat16, encodeFloat16 } from '../tensors/index.js';

/** Largest relative error of a tensor's task vector that float16 may cost. */
const MOST = 0.01;

/**
 * What float16 would make of a tensor, if that is too much: it ends at 65504 and thins out below 6e-5, where small task
 * vectors lie. Null where it fits.
 */
export function float16Error(name: string, data: Float32Array): string | null {
  let error = 0;
  let norm = 0;
  for (const value of data) {
    error += (decodeFloat16(encodeFloat16(value)) - value) ** 2;
    norm += value ** 2;
  }
  const relative = Math.sqrt(error / norm);
  return norm > 0 && relative > MOST
    ? `tau ${name} would be off by ${(100 * relative).toPrecision(3)} % as float16, at most ${100 * MOST} % may be: write it as F32 (--dtype F32)`
    : null;
}
