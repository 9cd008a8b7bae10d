import { PIXELS, pick, type Samples, SIDE, type Task } from './task.js';

/** A way to make another task out of one. */
export interface Variant {
  /** what it adds to the task's name */
  readonly suffix: string;
  /** classes that the task must have */
  readonly classes: number;
  apply(task: Task): Task;
}

export const VARIANTS: readonly Variant[] = [
  { suffix: 'turned', classes: 2, apply: changePixels((image, x, y) => image[(SIDE - 1 - x) * SIDE + y]) },
  { suffix: 'mirrored', classes: 2, apply: changePixels((image, x, y) => image[y * SIDE + SIDE - 1 - x]) },
  { suffix: 'inverted', classes: 2, apply: changePixels((image, x, y) => 255 - image[y * SIDE + x]) },
  // Of an odd number of classes the lower half has one more; a half needs two or more.
  { suffix: 'low', classes: 3, apply: keepClasses((label, middle) => (label < middle ? label : null)) },
  {
    suffix: 'high',
    classes: 4,
    apply: keepClasses((label, middle) => (label < middle ? null : label - middle)),
  },
  { suffix: 'parity', classes: 3, apply: keepClasses((label) => label % 2) },
];

/** @param pixel value at column x and row y of the new image, from the old one */
function changePixels(pixel: (image: Uint8Array, x: number, y: number) => number): Variant['apply'] {
  const change = ({ images, labels }: Samples): Samples => {
    const changed = new Uint8Array(images.length);
    for (let start = 0; start < images.length; start += PIXELS) {
      const image = images.subarray(start, start + PIXELS);
      for (let y = 0; y < SIDE; y++) {
        for (let x = 0; x < SIDE; x++) {
          changed[start + y * SIDE + x] = pixel(image, x, y);
        }
      }
    }
    return { images: changed, labels };
  };
  return (task) => ({ ...task, ...allParts(task, change) });
}

/** @param relabel the new label, null for what is left out; `middle` is the first class of the upper half */
function keepClasses(relabel: (label: number, middle: number) => number | null): Variant['apply'] {
  return (task) => {
    const middle = Math.ceil(task.classes / 2);
    const labels = Array.from({ length: task.classes }, (_, label) => relabel(label, middle));
    const keep = (samples: Samples): Samples => {
      const places = [...samples.labels.keys()].filter((place) => labels[samples.labels[place]] !== null);
      const { images, labels: before } = pick(samples, places);
      return { images, labels: before.map((label) => labels[label] as number) };
    };
    const classes = Math.max(...labels.map((label) => label ?? 0)) + 1;
    return { ...task, ...allParts(task, keep), classes };
  };
}

function allParts(task: Task, change: (samples: Samples) => Samples): Omit<Task, 'name' | 'classes'> {
  return { train: change(task.train), calibration: change(task.calibration), test: change(task.test) };
}
