import { createHash } from 'node:crypto';
import type { NamedTensors } from './named-tensors.js';

/**
 * Identity of a base model: the SHA-256, in hex, over its tensors in the order of their names' UTF-8 bytes. Each
 * adds its name, a zero byte, its shape as decimals joined by commas, a zero byte, and its values as float32,
 * little-endian. Give the shared tensors only, under canonical names: a head would make every task's base another.
 */
export function baseIdentity(named: NamedTensors): string {
  const tensors = [...named].map(([name, tensor]) => ({ key: Buffer.from(name, 'utf8'), tensor }));
  tensors.sort((a, b) => Buffer.compare(a.key, b.key));
  const hash = createHash('sha256');
  for (const { key, tensor } of tensors) {
    hash.update(key);
    hash.update(`\0${tensor.shape.join(',')}\0`);
    hash.update(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
  }
  return hash.digest('hex');
}
