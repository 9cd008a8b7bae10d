import { join } from 'node:path';
import { Random, type TensorInput, writeSafetensors } from '../../src/tensors/index.js';
import { PIXELS, type Samples, type Task } from '../../src/zoo/task.js';

/** Noise with a bright bar, whose place is the class; easy enough to be learnt within a few steps. */
export function barSamples(count: number, classes: number, ...seed: (string | number)[]): Samples {
  const random = new Random('bars', ...seed);
  const images = Uint8Array.from({ length: count * PIXELS }, () => random.integer(60));
  const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
  for (let i = 0; i < count; i++) {
    const left = 2 + labels[i] * Math.floor(24 / classes) + random.integer(2);
    for (let row = 0; row < 28; row++) {
      images.fill(230, i * PIXELS + row * 28 + left, i * PIXELS + row * 28 + left + 4);
    }
  }
  return { images, labels };
}

export function barTask(name: string, classes: number, count = 32): Task {
  return {
    name,
    classes,
    train: barSamples(count, classes, name, 'train'),
    calibration: barSamples(8, classes, name, 'calibration'),
    test: barSamples(12, classes, name, 'test'),
  };
}

/** The tensors of a sound task file of `count` training and 12 test images. */
export function taskTensors(name: string, classes: number, count = 40): Map<string, TensorInput> {
  const tensors = new Map<string, TensorInput>();
  const sizes = { train: count, test: 12 };
  for (const [kind, size] of Object.entries(sizes)) {
    const { images, labels } = barSamples(size, classes, name, kind);
    tensors.set(`${kind}.images`, { shape: [size, 28, 28], data: images });
    tensors.set(`${kind}.labels`, { shape: [size], data: labels });
  }
  return tensors;
}

/** Three task files: `bars`, `lines` and `poles`. */
export async function writeTaskFolder(folder: string): Promise<void> {
  for (const [name, classes] of Object.entries({ bars: 2, lines: 3, poles: 2 })) {
    await writeSafetensors(join(folder, `${name}.safetensors`), taskTensors(name, classes), {
      task: name,
      classes: String(classes),
    });
  }
}
