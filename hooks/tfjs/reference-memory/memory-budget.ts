import { deviceMemory } from '../../../src/backend/index.js';
import type { GuardConfig } from '../../../src/guard/index.js';

/** What references may take of the device for good. */
export interface MemoryBudget {
  readonly bytes: number;
  /** where that is from, for people */
  readonly source: string;
}

/** The rest is the training's. */
const SHARE = 1 / 4;
/** Of a device that does not tell: the smallest that people train on. */
const GUESS = 2 ** 32;
const MIB = 2 ** 20;

/** Of the active backend. */
export async function memoryBudget(option: GuardConfig['tap']['deviceMemory']): Promise<MemoryBudget> {
  if (option !== 'auto') {
    return { bytes: option * MIB, source: 'tap.deviceMemory' };
  }
  const { bytes, source } = await deviceMemory();
  return bytes === null
    ? {
        bytes: GUESS * SHARE,
        source: `a quarter of ${mebibytes(GUESS)}, which is a guess: ${source}; tap.deviceMemory sets it`,
      }
    : { bytes: bytes * SHARE, source: `a quarter of ${mebibytes(bytes)}, ${source}` };
}

/** Rounded, with a decimal under 10 MiB. */
export function mebibytes(bytes: number): string {
  const value = bytes / MIB;
  return `${value.toFixed(value < 10 ? 1 : 0)} MiB`;
}
