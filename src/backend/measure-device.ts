import * as tf from '@tensorflow/tfjs';
import { MergeguardError } from '../tensors/errors.js';
import { type DeviceError, onDeviceError } from './device-errors.js';
import { answerMs, deviceDone } from './device-wait.js';
import { isOutOfMemory } from './out-of-memory.js';

/** What a device does, measured. */
export interface DeviceRates {
  /** read and written by an elementwise operation, from one tensor to another */
  readonly copy: { readonly bytesPerSecond: number /** of one tensor */; readonly bytes: number };
  /** of the product of two float32 matrices */
  readonly matrices: { readonly flopsPerSecond: number /** rows and columns */; readonly size: number };
  /** milliseconds until a device that has nothing to do answers a small read */
  readonly answerMs: number;
}

const MIB = 2 ** 20;
/** Of the tensor that is copied: larger than caches, where the device is quick enough for it. */
const COPIED = [1, 4, 16, 64, 256].map((mebibytes) => mebibytes * MIB);
const MATRIX_SIZES = [128, 256, 512, 1024, 2048, 4096, 8192];
/** The next larger size is not tried where one operation takes longer, milliseconds. */
const LONG = 20;
/** As many operations are timed as fill this, milliseconds. */
const TIMED = 200;
const MOST_ROUNDS = 200;

/** Of the active backend, in a second or two. @throws what the backend throws, or its device says, but for a want of memory after the smallest sizes */
export async function measureDevice(): Promise<DeviceRates> {
  const restore = submitEverything();
  try {
    const answer = await answerMs();
    const copy = await largest(COPIED.filter(isBound), answer, (bytes) => {
      const from = tf.fill([bytes / 4], 1.5);
      return { inputs: [from], run: () => tf.neg(from) };
    });
    const matrices = await largest(
      MATRIX_SIZES.filter((size) => isBound(4 * size ** 2)),
      answer,
      (size) => {
        const [left, right] = [0.5, 0.25].map((value) => tf.fill([size, size], value) as tf.Tensor2D);
        return { inputs: [left, right], run: () => tf.matMul(left, right) };
      },
    );
    return {
      copy: { bytesPerSecond: (2000 * copy.size) / copy.ms, bytes: copy.size },
      matrices: { flopsPerSecond: (2000 * matrices.size ** 3) / matrices.ms, size: matrices.size },
      answerMs: answer,
    };
  } finally {
    restore();
  }
}

/** Whether the device takes a tensor of so many bytes at all; those of webgpu say how many. */
function isBound(bytes: number): boolean {
  const { device } = tf.backend() as Partial<{ device: GPUDevice }>;
  return bytes <= (device?.limits.maxStorageBufferBindingSize ?? Number.POSITIVE_INFINITY);
}

interface Operation {
  readonly inputs: tf.Tensor[];
  run(): tf.Tensor;
}

/** Milliseconds of one operation at the largest size that is quick enough and fits into the memory. */
async function largest(
  sizes: readonly number[],
  answer: number,
  prepare: (size: number) => Operation,
): Promise<{ size: number; ms: number }> {
  let found: { size: number; ms: number } | null = null;
  // What a webgpu device can not do it says outside of the call, and is then done with it in no time.
  const said: DeviceError[] = [];
  const endListening = onDeviceError((error) => said.push(error));
  try {
    for (const size of sizes) {
      let operation: Operation | null = null;
      try {
        operation = prepare(size);
        // The first compiles, and takes its memory.
        await time(operation, 1, answer);
        const once = await time(operation, 1, answer);
        const rounds = Math.min(MOST_ROUNDS, Math.max(1, Math.round(TIMED / Math.max(once, 0.001))));
        // Growing is quick: only what is told takes its time.
        const isLast = once > LONG || size === sizes.at(-1);
        const ms = isLast ? await time(operation, rounds, answer) : once;
        if (said.length > 0) {
          throw new MergeguardError(said[0].message);
        }
        found = { size, ms };
        if (isLast) {
          break;
        }
      } catch (error) {
        // A device with less memory: the size before is told.
        if (found === null || !isOutOfMemory(error)) {
          throw error;
        }
        break;
      } finally {
        tf.dispose(operation?.inputs ?? []);
      }
    }
  } finally {
    endListening();
  }
  return found as { size: number; ms: number };
}

/** Milliseconds of one, of `rounds` of them. */
async function time({ run }: Operation, rounds: number, answer: number): Promise<number> {
  await deviceDone();
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    run().dispose();
  }
  await deviceDone();
  // Never less than the clock can tell.
  return Math.max(0.001, performance.now() - start - answer) / rounds;
}

/** The webgpu backend frees what an operation took only when it submits, fifteen operations at a time. */
function submitEverything(): () => void {
  if (tf.getBackend() !== 'webgpu') {
    return () => {};
  }
  const flag = 'WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE';
  const before = tf.env().getNumber(flag);
  tf.env().set(flag, 1);
  return () => tf.env().set(flag, before);
}
