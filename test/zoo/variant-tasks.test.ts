import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MergeguardError, writeSafetensors } from '../../src/tensors/index.js';
import { PIXELS, type Samples, sampleCount, type Task } from '../../src/zoo/task.js';
import { readTask } from '../../src/zoo/task-files.js';
import { loadPoolTask, loadPretraining, poolTaskNames } from '../../src/zoo/variant-tasks.js';
import { VARIANTS } from '../../src/zoo/variants.js';
import { taskTensors } from './small-tasks.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-variants-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function writeTask(name: string, classes: number, count = 200): Promise<void> {
  await writeSafetensors(join(folder, `${name}.safetensors`), taskTensors(name, classes, count));
}

const load = (name: string, seed = 0) => loadPoolTask({ data: folder, seed }, name);
const names = (count: number) => poolTaskNames({ data: folder, count });

function apply(suffix: string, task: Task): Task {
  return VARIANTS.find((variant) => variant.suffix === suffix)!.apply(task);
}

/** A task whose parts are the same samples: images of one bright pixel at (x, y), a label each. */
function dots(classes: number, points: readonly (readonly [x: number, y: number])[]): Task {
  const images = new Uint8Array(points.length * PIXELS);
  points.forEach(([x, y], i) => {
    images[i * PIXELS + y * 28 + x] = 200;
  });
  const samples = { images, labels: Uint8Array.from(points, (_, i) => i % classes) };
  return { name: 'dots', classes, train: samples, calibration: samples, test: samples };
}

function brightest({ images }: Samples): [number, number][] {
  return Array.from({ length: images.length / PIXELS }, (_, i) => {
    const image = images.subarray(i * PIXELS, (i + 1) * PIXELS);
    const at = image.indexOf(200);
    return [at % 28, Math.floor(at / 28)];
  });
}

function rows({ images, labels }: Samples): string[] {
  return [...labels].map((_, i) => images.subarray(i * PIXELS, (i + 1) * PIXELS).join());
}

describe('a variant', () => {
  it('turns images by a quarter clockwise, mirrors them left to right, inverts them, and keeps their labels', () => {
    const task = dots(2, [
      [5, 2],
      [27, 0],
      [13, 20],
    ]);
    const turned = apply('turned', task);
    const mirrored = apply('mirrored', task);
    for (const part of ['train', 'calibration', 'test'] as const) {
      expect(brightest(turned[part])).toEqual([
        [25, 5],
        [27, 27],
        [7, 13],
      ]);
      expect(brightest(mirrored[part])).toEqual([
        [22, 2],
        [0, 0],
        [14, 20],
      ]);
      expect(turned[part].labels).toEqual(task[part].labels);
    }
    const inverted = apply('inverted', task).test.images;
    expect(inverted).toEqual(task.test.images.map((value) => 255 - value));
  });

  it('is the task again when done as often as it takes', () => {
    const task = dots(3, [
      [5, 2],
      [20, 0],
      [13, 9],
    ]);
    for (const [suffix, times] of [
      ['turned', 4],
      ['mirrored', 2],
      ['inverted', 2],
    ] as const) {
      let changed = task;
      for (let i = 0; i < times; i++) {
        changed = apply(suffix, changed);
      }
      expect(changed).toEqual(task);
    }
  });

  it('keeps the lower or upper half of the classes, labelled from 0, or asks whether the label is odd', () => {
    const points = Array.from({ length: 10 }, (_, i) => [i, 0] as const);
    const task = dots(5, points);
    const [low, high, parity] = ['low', 'high', 'parity'].map((suffix) => apply(suffix, task));
    expect([low.classes, high.classes, parity.classes]).toEqual([3, 2, 2]);
    expect([...low.test.labels]).toEqual([0, 1, 2, 0, 1, 2]);
    expect(brightest(low.test).map(([x]) => x)).toEqual([0, 1, 2, 5, 6, 7]);
    expect([...high.test.labels]).toEqual([0, 1, 0, 1]);
    expect(brightest(high.test).map(([x]) => x)).toEqual([3, 4, 8, 9]);
    expect([...parity.test.labels]).toEqual([0, 1, 0, 1, 0, 0, 1, 0, 1, 0]);
    expect(parity.test.images).toEqual(task.test.images);
  });
});

describe('loadPoolTask', () => {
  it('makes variants of variants, named as asked', async () => {
    await writeTask('bars', 6);
    const task = await load('bars-low-turned-inverted');
    expect(task).toMatchObject({ name: 'bars-low-turned-inverted', classes: 3 });
    const plain = await load('bars-low');
    expect(task.test).toEqual(apply('inverted', apply('turned', plain)).test);
  });

  it('takes a file before a variant of the same name', async () => {
    await writeTask('bars', 4);
    await writeTask('bars-low', 3);
    expect((await load('bars-low')).classes).toBe(3);
    expect((await load('bars-low-high', 0).catch((error: Error) => error)).toString()).toContain(
      'high needs 4 classes, bars-low has 3',
    );
  });

  it('calibrates on no image that a model of the same file was trained on', async () => {
    await writeTask('bars', 4, 1500);
    const original = await load('bars');
    const trained = new Set(rows(original.train));
    for (const suffix of ['low', 'high', 'parity']) {
      const task = await load(`bars-${suffix}`);
      expect(sampleCount(task.calibration)).toBeGreaterThan(100);
      expect(rows(task.calibration).filter((row) => trained.has(row))).toEqual([]);
      const own = new Set(rows(task.train));
      expect(rows(original.calibration).filter((row) => own.has(row))).toEqual([]);
    }
    expect(sampleCount(original.calibration)).toBe(128);
  });

  it('has all test samples of the file in a random order, the same one for the same seed', async () => {
    await writeTask('bars', 3);
    const labelled = async (seed: number) => {
      const { test } = await load('bars', seed);
      return rows(test).map((row, i) => `${test.labels[i]} ${row}`);
    };
    const written = await readTask(folder, 'bars', 0);
    const sorted = rows(written.test).map((row, i) => `${written.test.labels[i]} ${row}`);
    expect((await labelled(1)).sort()).toEqual([...sorted].sort());
    expect(await labelled(1)).toEqual(await labelled(1));
    expect(await labelled(1)).not.toEqual(sorted);
  });

  it('says which tasks and variants there are, and what has none', async () => {
    await writeTask('bars', 2, 6);
    const unknown = load('bras-turned');
    await expect(unknown).rejects.toThrow(MergeguardError);
    await expect(unknown).rejects.toThrow(/no task "bras-turned"; there are bars, and each with -turned, /);
    await expect(load('bars-low')).rejects.toThrow('task "bars-low": low needs 3 classes, bars has 2');
  });

  it('knows drawn tasks and those of the base too', async () => {
    const source = { data: null, seed: 3 };
    expect(await loadPoolTask(source, 'curves-high')).toMatchObject({ name: 'curves-high', classes: 4 });
    expect(await loadPoolTask(source, 'waves')).toMatchObject({ name: 'waves', classes: 8 });
  });
});

describe('poolTaskNames', () => {
  it('trains the base on alphabets and fills the pool with different variants of the rest', async () => {
    await writeTask('omniglot-greek', 4);
    await writeTask('bars', 6);
    await writeTask('lines', 6);
    expect(await names(7)).toEqual({
      pretraining: ['omniglot-greek'],
      pool: ['bars', 'lines', 'bars-turned', 'lines-low', 'bars-low', 'lines-parity', 'bars-parity'],
    });
    expect((await names(1)).pool).toEqual(['bars']);
  });

  it('makes eight tasks of a single file of two classes, each one different', async () => {
    await writeTask('bars', 2);
    const { pool, pretraining } = await names(8);
    expect(pretraining).toEqual(['bars']);
    const tests = await Promise.all(pool.map(async (name) => (await load(name)).test.images.join()));
    expect(new Set(tests).size).toBe(8);
  });

  it('leaves out variants that would have no samples to calibrate on', async () => {
    await writeTask('omniglot-greek', 4);
    await writeTask('bars', 6, 60);
    expect((await names(4)).pool).toEqual(['bars', 'bars-turned', 'bars-parity', 'bars-mirrored']);
  });

  it('asks for another file where there is no task for the pool, and for fewer where there are not so many', async () => {
    await writeTask('omniglot-greek', 4);
    await expect(names(8)).rejects.toThrow(/holds alphabets only \(omniglot-\*\).*add a file/);
    await writeTask('bars', 2);
    const tooMany = names(40);
    await expect(tooMany).rejects.toThrow(MergeguardError);
    await expect(tooMany).rejects.toThrow(/make a pool of 8 tasks at most .* 40 are needed/);
    expect((await poolTaskNames({ data: folder, count: 40, least: 8 })).pool).toHaveLength(8);
  });

  it('has drawn tasks without a folder, and tasks of their own for the base', async () => {
    const { pretraining, pool } = await poolTaskNames({ data: null, count: 10 });
    expect(pool.slice(0, 8)).toContain('curves');
    expect(pool).toHaveLength(10);
    expect(pretraining.filter((name) => pool.includes(name))).toEqual([]);
  });
});

describe('loadPretraining', () => {
  it('gives whole alphabets, but of tasks that are in the pool the first half of the training images', async () => {
    await writeTask('bars', 2);
    await writeTask('lines', 3);
    const whole = sampleCount((await load('bars')).train);
    const [bars, lines] = await loadPretraining(
      { data: folder, seed: 0 },
      { pretraining: ['bars', 'lines'], pool: ['bars'] },
    );
    expect([bars, lines].map((task) => sampleCount(task.train))).toEqual([whole / 2, whole]);
  });
});
