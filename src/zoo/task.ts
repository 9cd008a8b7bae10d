import type { Random } from '../tensors/random.js';

/** Images of 28 x 28 grey values, ink bright (255), with integer labels from 0. */
export interface Samples {
  /** [N, 28, 28] row-major, 0..255 */
  readonly images: Uint8Array;
  /** [N] */
  readonly labels: Uint8Array;
}

/** One image classification task. */
export interface Task {
  readonly name: string;
  readonly classes: number;
  readonly train: Samples;
  /** held out from training and test: what probes and offline gradients use */
  readonly calibration: Samples;
  readonly test: Samples;
}

/** pixels along one side of an image */
export const SIDE = 28;
export const PIXELS = SIDE * SIDE;

export function sampleCount(samples: Samples): number {
  return samples.labels.length;
}

/** The samples at the given places, in that order. */
export function pick(samples: Samples, places: ArrayLike<number>): Samples {
  const images = new Uint8Array(places.length * PIXELS);
  const labels = new Uint8Array(places.length);
  for (let i = 0; i < places.length; i++) {
    images.set(samples.images.subarray(places[i] * PIXELS, (places[i] + 1) * PIXELS), i * PIXELS);
    labels[i] = samples.labels[places[i]];
  }
  return { images, labels };
}

/** Splits shuffled training samples into those to train on and `held` to calibrate on. */
export function holdOut(
  samples: Samples,
  order: Int32Array,
  held: number,
): { train: Samples; calibration: Samples } {
  return { calibration: pick(samples, order.subarray(0, held)), train: pick(samples, order.subarray(held)) };
}

/** The first samples, all of them where there are fewer. */
export function firstSamples(samples: Samples, most = Number.POSITIVE_INFINITY): Samples {
  return sampleCount(samples) <= most ? samples : stretch(samples, 0, most);
}

/** `count` samples from `start` on, as far as there are any. */
export function stretch(samples: Samples, start: number, count: number): Samples {
  const size = Math.min(count, sampleCount(samples) - start);
  return pick(
    samples,
    Int32Array.from({ length: size }, (_, i) => start + i),
  );
}

/** The first half of the samples, rounded up. */
export function firstHalf(samples: Samples): Samples {
  return firstSamples(samples, Math.ceil(sampleCount(samples) / 2));
}

/** Every image moved by up to `most` pixels along both axes; what comes in from outside is dark. */
export function moved(samples: Samples, most: number, random: Random): Samples {
  if (most === 0) {
    return samples;
  }
  const images = new Uint8Array(samples.images.length);
  for (let start = 0; start < images.length; start += PIXELS) {
    const across = random.integer(2 * most + 1) - most;
    const down = random.integer(2 * most + 1) - most;
    for (let y = Math.max(0, down); y < SIDE + Math.min(0, down); y++) {
      const from = start + (y - down) * SIDE;
      const row = samples.images.subarray(from + Math.max(0, -across), from + SIDE - Math.max(0, across));
      images.set(row, start + y * SIDE + Math.max(0, across));
    }
  }
  return { images, labels: samples.labels };
}
