import type { Random } from '../tensors/random.js';
import { PIXELS } from './task.js';

/** A point in drawing coordinates, the image being about -1..1 in both, y downwards. */
export type Point = readonly [number, number];

const SIDE = 28;

/** A 28 x 28 image being drawn under a random similarity: turned, scaled, moved, with a random pen width. */
export interface Canvas {
  readonly ink: Float32Array;
  /** half the pen's width, pixels */
  readonly pen: number;
  /** drawing coordinates to pixels */
  place(point: Point): [number, number];
  /** pixels to drawing coordinates */
  unplace(x: number, y: number): [number, number];
  /** the image as bytes, with noise */
  finish(random: Random): Uint8Array;
}

export function createCanvas(random: Random): Canvas {
  const angle = random.uniform(-0.2, 0.2);
  const scale = random.uniform(0.82, 1.05) * 12;
  const cos = scale * Math.cos(angle);
  const sin = scale * Math.sin(angle);
  const centreX = 13.5 + random.uniform(-1.6, 1.6);
  const centreY = 13.5 + random.uniform(-1.6, 1.6);
  const ink = new Float32Array(PIXELS);
  return {
    ink,
    pen: random.uniform(0.7, 1.2),
    place: ([x, y]) => [centreX + cos * x - sin * y, centreY + sin * x + cos * y],
    unplace: (x, y) => {
      const dx = x - centreX;
      const dy = y - centreY;
      return [(cos * dx + sin * dy) / (scale * scale), (cos * dy - sin * dx) / (scale * scale)];
    },
    finish: (noise) => {
      const bytes = new Uint8Array(PIXELS);
      for (let i = 0; i < PIXELS; i++) {
        bytes[i] = Math.max(0, Math.min(255, Math.round(225 * ink[i] + 12 * noise.normal())));
      }
      return bytes;
    },
  };
}

/** A polyline. */
export function drawPath(canvas: Canvas, points: readonly Point[]): void {
  for (let i = 1; i < points.length; i++) {
    drawLine(canvas, canvas.place(points[i - 1]), canvas.place(points[i]));
  }
}

/** Fills the whole image with a function of drawing coordinates, 0..1. */
export function drawTexture(canvas: Canvas, brightness: (x: number, y: number) => number): void {
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      canvas.ink[y * SIDE + x] = brightness(...canvas.unplace(x, y));
    }
  }
}

function drawLine(canvas: Canvas, from: Point, to: Point): void {
  drawCapsule(canvas, from, to, canvas.pen);
}

/** All points within `radius` pixels of a segment, with a soft edge one pixel wide. */
function drawCapsule(canvas: Canvas, [ax, ay]: Point, [bx, by]: Point, radius: number): void {
  const dx = bx - ax;
  const dy = by - ay;
  const length2 = Math.max(dx * dx + dy * dy, 1e-9);
  const reach = radius + 1;
  const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
  const bottom = Math.min(SIDE - 1, Math.ceil(Math.max(ay, by) + reach));
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
  const right = Math.min(SIDE - 1, Math.ceil(Math.max(ax, bx) + reach));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length2));
      const distance = Math.hypot(x - ax - t * dx, y - ay - t * dy);
      const value = Math.max(0, Math.min(1, radius + 0.5 - distance));
      const place = y * SIDE + x;
      canvas.ink[place] = Math.max(canvas.ink[place], value);
    }
  }
}
