import { createHash, type Hash } from 'node:crypto';
import type { HostTensor, NamedTensors } from './named-tensors.js';

/** Names in the order of their UTF-8 bytes, in which a base's tensors are hashed. */
export function identityOrder(names: Iterable<string>): string[] {
  const keyed = [...names].map((name) => ({ name, key: Buffer.from(name, 'utf8') }));
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  return keyed.map(({ name }) => name);
}

/** `baseIdentity` of tensors that come one at a time, in `identityOrder`. */
export class BaseHash {
  readonly #hash: Hash = createHash('sha256');

  add(name: string, { shape, data }: HostTensor): void {
    this.#hash.update(Buffer.from(name, 'utf8'));
    this.#hash.update(`\0${shape.join(',')}\0`);
    this.#hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

/**
 * Identity of a base model: the SHA-256, in hex, over its tensors in the order of their names' UTF-8 bytes. Each
 * adds its name, a zero byte, its shape as decimals joined by commas, a zero byte, and its values as float32,
 * little-endian. Give the shared tensors only, under canonical names: a head would make every task's base another.
 */
export function baseIdentity(named: NamedTensors): string {
  const hash = new BaseHash();
  for (const name of identityOrder(named.keys())) {
    hash.add(name, named.get(name)!);
  }
  return hash.digest();
}
