import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MergeguardError, type TensorInput, writeSafetensors } from '../../src/tensors/index.js';
import { PIXELS, type Samples, sampleCount } from '../../src/zoo/task.js';
import { readTask, taskNames } from '../../src/zoo/task-files.js';
import { taskTensors } from './small-tasks.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-tasks-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes a sound task of 3 classes after `change` was done to it, and reads it. */
async function readChanged(
  change: (tensors: Map<string, TensorInput>) => void,
  metadata: Record<string, string> = {},
) {
  const tensors = taskTensors('glyphs', 3);
  change(tensors);
  await writeSafetensors(join(folder, 'glyphs.safetensors'), tensors, metadata);
  return readTask(folder, 'glyphs', 0);
}

/** What reading it says is wrong, line by line without the heading. */
async function problemsOf(...args: Parameters<typeof readChanged>): Promise<string[]> {
  const error: unknown = await readChanged(...args).then(
    () => null,
    (caught) => caught,
  );
  expect(error).toBeInstanceOf(MergeguardError);
  const [heading, ...problems] = (error as Error).message.split('\n');
  expect(heading).toBe(`${join(folder, 'glyphs.safetensors')} is no task file:`);
  return problems.map((problem) => problem.replace(/^ {2}- /, ''));
}

const bytes = (...values: number[]): TensorInput => ({
  shape: [values.length],
  data: Uint8Array.from(values),
});
const images = (count: number): TensorInput => ({
  shape: [count, 28, 28],
  data: new Uint8Array(count * PIXELS),
});

function labelsOf(tensors: Map<string, TensorInput>, kind: string): Uint8Array {
  return tensors.get(`${kind}.labels`)!.data as Uint8Array;
}

function rows({ images: all, labels }: Samples): string[] {
  return [...labels].map((label, i) => `${label} ${all.subarray(i * PIXELS, (i + 1) * PIXELS).join()}`);
}

describe('a task file', () => {
  it('is read, a fifth of the training images held out for calibration', async () => {
    const task = await readChanged(() => {}, { classes: '3' });
    expect(task).toMatchObject({ name: 'glyphs', classes: 3 });
    expect([task.train, task.calibration, task.test].map(sampleCount)).toEqual([32, 8, 12]);
    const tensors = taskTensors('glyphs', 3);
    const written = (kind: string) => ({
      images: tensors.get(`${kind}.images`)!.data as Uint8Array,
      labels: tensors.get(`${kind}.labels`)!.data as Uint8Array,
    });
    expect([...rows(task.train), ...rows(task.calibration)].sort()).toEqual(rows(written('train')).sort());
    expect(rows(task.test)).toEqual(rows(written('test')));
  });

  it('gives the same calibration images for the same seed only', async () => {
    await readChanged(() => {});
    const read = async (seed: number) => rows((await readTask(folder, 'glyphs', seed)).calibration);
    expect(await read(5)).toEqual(await read(5));
    expect(await read(5)).not.toEqual(await read(6));
  });

  it('holds out 128 images at most', async () => {
    await writeSafetensors(join(folder, 'large.safetensors'), taskTensors('large', 2, 1000));
    const task = await readTask(folder, 'large', 0);
    expect([sampleCount(task.train), sampleCount(task.calibration)]).toEqual([872, 128]);
  });

  it('is refused when a part is empty, both parts at once', async () => {
    const problems = await problemsOf((tensors) => {
      for (const kind of ['train', 'test']) {
        tensors.set(`${kind}.images`, images(0)).set(`${kind}.labels`, bytes());
      }
    });
    expect(problems).toEqual([
      'train is empty; a task needs 5 or more',
      'test is empty; a task needs 1 or more',
    ]);
  });

  it('is refused when nothing could be held out', async () => {
    const problems = await problemsOf((tensors) => {
      tensors.set('train.images', images(4)).set('train.labels', bytes(0, 1, 2, 0));
    });
    expect(problems).toEqual(['train is 4 images; a task needs 5 or more']);
  });

  it('is refused when there are more images than labels, or labels without images', async () => {
    const problems = await problemsOf((tensors) => {
      tensors.set('train.images', images(41)).set('test.images', images(0));
    });
    expect(problems).toEqual([
      'train.images holds 41 images, train.labels 40 labels',
      'test.images holds 0 images, test.labels 12 labels',
    ]);
  });

  it('is refused for images or labels of another shape', async () => {
    const problems = await problemsOf((tensors) => {
      tensors.set('train.images', { shape: [40, 784], data: new Uint8Array(40 * PIXELS) });
      tensors.set('test.images', { shape: [49, 16, 12], data: new Uint8Array(12 * PIXELS) });
      tensors.set('test.labels', { shape: [12, 1], data: new Uint8Array(12) });
    });
    expect(problems).toEqual([
      'train.images is [40, 784], a task file has [N, 28, 28]',
      'test.images is [49, 16, 12], a task file has [N, 28, 28]',
      'test.labels is [12, 1], a task file has [N]',
    ]);
  });

  it('is refused for another dtype and for missing tensors', async () => {
    const problems = await problemsOf((tensors) => {
      tensors.set('train.images', { shape: [40, 28, 28], data: new Float32Array(40 * PIXELS) });
      tensors.delete('train.labels');
      tensors.delete('test.images');
      tensors.set('test.labels', { shape: [12], data: new Int32Array(12) });
    });
    expect(problems).toEqual([
      'train.images is F32, a task file has U8',
      'train.labels is missing',
      'test.images is missing',
      'test.labels is I32, a task file has U8',
    ]);
  });

  it('is refused when labels have gaps, go beyond the classes, or disagree with the declared number', async () => {
    const problems = await problemsOf(
      (tensors) => {
        labelsOf(tensors, 'train').fill(0).fill(4, 20).fill(1, 30);
        labelsOf(tensors, 'test').fill(7, 3);
      },
      { classes: '3' },
    );
    expect(problems).toEqual([
      'train.labels goes up to 4 and never says 2, 3; labels count from 0 without gaps',
      'its metadata says 3 classes, train.labels has 5',
      'test.labels goes up to 7, train.labels to 4',
    ]);
  });

  it('is refused when it says anything but a number of classes', async () => {
    expect(await problemsOf(() => {}, { classes: 'ten' })).toEqual([
      'its metadata says ten classes, train.labels has 3',
    ]);
  });

  it('is refused when all labels are the same', async () => {
    const problems = await problemsOf((tensors) => {
      labelsOf(tensors, 'train').fill(0);
      labelsOf(tensors, 'test').fill(0);
    });
    expect(problems).toEqual(['train.labels knows 1 class; a task needs two or more']);
  });

  it('is refused when it is cut short or no safetensors file', async () => {
    await readChanged(() => {});
    const whole = await readFile(join(folder, 'glyphs.safetensors'));
    for (const size of [0, 5, 60, whole.length - 1]) {
      await writeFile(join(folder, 'cut.safetensors'), whole.subarray(0, size));
      const reading = readTask(folder, 'cut', 0);
      await expect(reading).rejects.toThrow(MergeguardError);
      await expect(reading).rejects.toThrow('cut.safetensors');
    }
  });

  it('is refused when it is not there', async () => {
    const reading = readTask(folder, 'absent', 0);
    await expect(reading).rejects.toThrow(MergeguardError);
    await expect(reading).rejects.toThrow('absent.safetensors');
  });
});

describe('a folder of task files', () => {
  it('lists its tasks in order and nothing else', async () => {
    const tasks = join(folder, 'several');
    await mkdir(tasks);
    for (const file of ['b.safetensors', 'a.safetensors', 'README.md', 'c.npz']) {
      await writeFile(join(tasks, file), '');
    }
    expect(await taskNames(tasks)).toEqual(['a', 'b']);
  });

  it('is refused when it is missing or holds no task', async () => {
    const missing = taskNames(join(folder, 'nowhere'));
    await expect(missing).rejects.toThrow(MergeguardError);
    await expect(missing).rejects.toThrow(/there is no folder .*nowhere .* give --data a folder/);
    const empty = join(folder, 'empty');
    await mkdir(empty);
    const none = taskNames(empty);
    await expect(none).rejects.toThrow(MergeguardError);
    await expect(none).rejects.toThrow(/empty holds no \.safetensors file; give --data a folder/);
  });
});

describe('the real tasks', () => {
  const real = fileURLToPath(new URL('../../../shared/data/tasks', import.meta.url));

  it('load, with at least ten classes each', async ({ skip }) => {
    if (!existsSync(real)) {
      skip('the shared task files are not here');
    }
    const names = await taskNames(real);
    expect(names).toContain('kannada');
    for (const name of names) {
      const task = await readTask(real, name, 0);
      expect(task.classes, name).toBeGreaterThanOrEqual(10);
      expect(sampleCount(task.calibration), name).toBeGreaterThan(70);
    }
  });
});
