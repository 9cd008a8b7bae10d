import { Random } from '../tensors/random.js';
import { type Canvas, createCanvas, drawPath, drawTexture, type Point } from './canvas.js';
import { PIXELS, type Samples, type Task } from './task.js';

/**
 * Tasks whose images are drawn by procedure, so that the demo needs no data: glyphs of random alphabets,
 * outlines, curves, arrows, gratings. Every image is moved, turned, scaled and made noisy
 * at random; the same seed draws the same images.
 */

const TRAIN = 1200;
const CALIBRATION = 128;
const TEST = 400;

/** Draws an example of a class on an empty canvas. `random` varies from image to image. */
type Draw = (canvas: Canvas, label: number, random: Random) => void;

interface Family {
  readonly classes: number;
  draw(seed: number, name: string): Draw;
}

const FAMILIES: Record<string, Family> = {
  'glyphs-aster': { classes: 10, draw: glyphs },
  'glyphs-birch': { classes: 10, draw: glyphs },
  'glyphs-cedar': { classes: 10, draw: glyphs },
  'glyphs-dahlia': { classes: 10, draw: glyphs },
  shapes: { classes: 8, draw: () => shape },
  curves: { classes: 8, draw: () => curve },
  arrows: { classes: 8, draw: () => arrow },
  gratings: { classes: 8, draw: () => grating },
};

/** What the base is trained on and nobody fine-tunes for. */
const PRETRAINING: Record<string, Family> = {
  'glyphs-north': { classes: 10, draw: glyphs },
  'glyphs-south': { classes: 10, draw: glyphs },
  'glyphs-east': { classes: 10, draw: glyphs },
  'glyphs-west': { classes: 10, draw: glyphs },
  petals: { classes: 6, draw: () => petals },
  waves: { classes: 8, draw: () => waves },
};

export const DRAWN_TASK_NAMES: readonly string[] = Object.keys(FAMILIES);
/** Tasks to train a base on; none of them is among the others. */
export const DRAWN_PRETRAINING_NAMES: readonly string[] = Object.keys(PRETRAINING);

/** The drawn task of that name, which must be one of the two lists. */
export function drawnTask(seed: number, name: string): Task {
  return drawTask(name, FAMILIES[name] ?? PRETRAINING[name], seed);
}

/** The named drawn tasks (all by default). */
export function drawnTasks(seed: number, names: readonly string[] = DRAWN_TASK_NAMES): Task[] {
  return names.map((name) => drawnTask(seed, name));
}

/** Tasks to train a base on; none of them is among `drawnTasks`. */
export function drawnPretrainingTasks(seed: number): Task[] {
  return DRAWN_PRETRAINING_NAMES.map((name) => drawnTask(seed, name));
}

function drawTask(name: string, family: Family, seed: number): Task {
  const draw = family.draw(seed, name);
  const part = (kind: string, count: number) =>
    drawSamples(draw, family.classes, count, new Random(name, kind, seed));
  return {
    name,
    classes: family.classes,
    train: part('train', TRAIN),
    calibration: part('calibration', CALIBRATION),
    test: part('test', TEST),
  };
}

function drawSamples(draw: Draw, classes: number, count: number, random: Random): Samples {
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const label = i % classes;
    const canvas = createCanvas(random);
    draw(canvas, label, random);
    images.set(canvas.finish(random), i * PIXELS);
    labels[i] = label;
  }
  return { images, labels };
}

/** A random alphabet: three strokes of three points a letter, fixed by seed and name, drawn by a shaky hand. */
function glyphs(seed: number, name: string): Draw {
  const letters: Point[][][] = [];
  const random = new Random('alphabet', name, seed);
  for (let letter = 0; letter < 10; letter++) {
    const strokes: Point[][] = [];
    for (let stroke = 0; stroke < 3; stroke++) {
      strokes.push([0, 1, 2].map(() => [random.uniform(-0.75, 0.75), random.uniform(-0.75, 0.75)]));
    }
    letters.push(strokes);
  }
  return (canvas, label, hand) => {
    for (const stroke of letters[label]) {
      drawPath(
        canvas,
        stroke.map(([x, y]) => [x + 0.05 * hand.normal(), y + 0.05 * hand.normal()]),
      );
    }
  };
}

/** Outlines: triangle up and down, square, diamond, circle, and stars of three, four and six points. */
function shape(canvas: Canvas, label: number, random: Random): void {
  const quarter = Math.PI / 4;
  const outlines: { corners: number; turn: number; star?: boolean }[] = [
    { corners: 3, turn: -2 * quarter },
    { corners: 3, turn: 2 * quarter },
    { corners: 4, turn: quarter },
    { corners: 4, turn: 0 },
    { corners: 24, turn: 0 },
    { corners: 6, turn: -2 * quarter, star: true },
    { corners: 8, turn: 0, star: true },
    { corners: 12, turn: 0, star: true },
  ];
  const { corners, turn, star } = outlines[label];
  const tilt = turn + random.uniform(-0.1, 0.1);
  const points: Point[] = [];
  for (let i = 0; i <= corners; i++) {
    const radius = star && i % 2 === 1 ? 0.25 : 0.8;
    const angle = tilt + (2 * Math.PI * i) / corners;
    points.push([radius * Math.cos(angle), radius * Math.sin(angle)]);
  }
  drawPath(canvas, points);
}

/** Rose curves of two to seven petals. */
function petals(canvas: Canvas, label: number, random: Random): void {
  const count = label + 2;
  const points: Point[] = [];
  for (let i = 0; i <= 96; i++) {
    const t = (2 * Math.PI * i) / 96;
    const radius = 0.45 + 0.35 * Math.cos(count * t);
    points.push([radius * Math.cos(t + random.uniform(0, 0.02)), radius * Math.sin(t)]);
  }
  drawPath(canvas, points);
}

/** Sine waves of four lengths, lying and standing. */
function waves(canvas: Canvas, label: number, random: Random): void {
  const cycles = (label % 4) + 1;
  const phase = random.uniform(0, 2 * Math.PI);
  const points: Point[] = [];
  for (let i = 0; i <= 48; i++) {
    const along = -0.9 + (1.8 * i) / 48;
    const across = 0.5 * Math.sin(Math.PI * cycles * along + phase);
    points.push(label < 4 ? [along, across] : [across, along]);
  }
  drawPath(canvas, points);
}

/** Lissajous figures of eight frequency ratios. */
function curve(canvas: Canvas, label: number, random: Random): void {
  const ratios = [
    [1, 1],
    [1, 2],
    [2, 1],
    [1, 3],
    [3, 1],
    [2, 3],
    [3, 2],
    [3, 4],
  ];
  const [a, b] = ratios[label];
  const phase = Math.PI / 2 + random.uniform(-0.3, 0.3);
  const points: Point[] = [];
  for (let i = 0; i <= 48; i++) {
    const t = (2 * Math.PI * i) / 48;
    points.push([0.8 * Math.sin(a * t + phase), 0.8 * Math.sin(b * t)]);
  }
  drawPath(canvas, points);
}

/** Arrows in eight directions, of random length. */
function arrow(canvas: Canvas, label: number, random: Random): void {
  const angle = (label * Math.PI) / 4;
  const length = random.uniform(0.6, 0.85);
  const along = (distance: number, turn: number): Point => [
    distance * Math.cos(angle + turn),
    distance * Math.sin(angle + turn),
  ];
  const tip = along(length, 0);
  drawPath(canvas, [along(-length, 0), tip]);
  const barb = random.uniform(0.55, 0.7);
  drawPath(canvas, [along(barb, 0.75), tip, along(barb, -0.75)]);
}

/** Stripes of four directions and two widths. */
function grating(canvas: Canvas, label: number, random: Random): void {
  const angle = ((label % 4) * Math.PI) / 4 + random.uniform(-0.15, 0.15);
  const frequency = (label < 4 ? 2.2 : 4.2) * random.uniform(0.92, 1.08);
  const phase = random.uniform(0, 2 * Math.PI);
  drawTexture(
    canvas,
    (x, y) => 0.5 + 0.5 * Math.sin(Math.PI * frequency * (x * Math.cos(angle) + y * Math.sin(angle)) + phase),
  );
}
