import { deviceMemory } from '../../src/backend/index.js';
import { computeBackend } from './compute/compute-program.js';
import { functionWays, isOnGpu } from './compute/functions.js';
import { CHUNK } from './flat-layout.js';

/** Longer ones would not be quicker. */
const MOST = 1 << 26;
/** Vectors of a chunk's length that a tick or a fold makes for a while. */
const TEMPORARIES = 5;
/** What they may take of a device. */
const SHARE = 1 / 8;
/** Of a device that does not tell: the smallest that people train on. */
const GUESS = 2 ** 32;

/**
 * Elements of one vector of a FlatLayout on the active backend. A GPU takes milliseconds to be told of many operations, however
 * little they do, and has memory to spare: as few and long vectors as fit, unless plain operations take the sums, which need a
 * matrix of a chunk's blocks by its tensors. On processors long ones fall out of the caches.
 */
export async function chunkLength(): Promise<number> {
  const compute = computeBackend();
  const hasFunctions = functionWays().length > 0 && isOnGpu();
  if (compute === null && !hasFunctions) {
    return CHUNK;
  }
  const { bytes } = await deviceMemory();
  const fitting = ((bytes ?? GUESS) * SHARE) / TEMPORARIES / Float32Array.BYTES_PER_ELEMENT;
  const { maxStorageBufferBindingSize = Infinity, maxBufferSize = Infinity } = compute?.device.limits ?? {};
  const bound = Math.min(maxStorageBufferBindingSize, maxBufferSize) / Float32Array.BYTES_PER_ELEMENT;
  return Math.floor(Math.min(MOST, Math.max(CHUNK, fitting), bound));
}
