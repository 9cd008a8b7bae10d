import { describe, expect, it } from 'vitest';
import { DRAWN_TASK_NAMES, drawnPretrainingTasks, drawnTasks } from '../../src/zoo/drawn-tasks.js';
import { PIXELS, type Samples, sampleCount, type Task } from '../../src/zoo/task.js';

const tasks = drawnTasks(3);
const pretraining = drawnPretrainingTasks(3);

function rows(samples: Samples): string[] {
  return Array.from({ length: sampleCount(samples) }, (_, i) =>
    Buffer.from(samples.images.subarray(i * PIXELS, (i + 1) * PIXELS)).toString('base64'),
  );
}

function histogram(samples: Samples, classes: number): number[] {
  return Array.from({ length: classes }, (_, label) => samples.labels.filter((own) => own === label).length);
}

describe('drawn tasks', () => {
  it('are at least six, and the base is trained on others', () => {
    expect(tasks.length).toBeGreaterThanOrEqual(6);
    expect(tasks.map(({ name }) => name)).toEqual(DRAWN_TASK_NAMES);
    const all = [...tasks, ...pretraining].map(({ name }) => name);
    expect(new Set(all).size).toBe(all.length);
  });

  it.each([...tasks, ...pretraining].map((task): [string, Task] => [task.name, task]))(
    '%s has images of its own in every part, of all classes alike, dark with bright ink',
    (_, task) => {
      const parts = [task.train, task.calibration, task.test];
      for (const part of parts) {
        expect(part.images.length).toBe(sampleCount(part) * PIXELS);
        const counts = histogram(part, task.classes);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(sampleCount(part));
        const mean = part.images.reduce((sum, value) => sum + value, 0) / part.images.length;
        expect(mean).toBeGreaterThan(5);
        expect(mean).toBeLessThan(140);
        expect(part.images.reduce((most, value) => Math.max(most, value), 0)).toBeGreaterThan(220);
      }
      const images = parts.flatMap(rows);
      expect(new Set(images).size).toBe(images.length);
    },
  );

  it('are the same for the same seed, also drawn alone, and others for another', () => {
    for (const index of [0, DRAWN_TASK_NAMES.length - 1]) {
      const name = DRAWN_TASK_NAMES[index];
      const [again] = drawnTasks(3, [name]);
      const [other] = drawnTasks(2, [name]);
      for (const part of ['train', 'calibration', 'test'] as const) {
        const { images } = tasks[index][part];
        expect(Buffer.compare(images, again[part].images), name).toBe(0);
        expect(Buffer.compare(images, other[part].images), name).not.toBe(0);
      }
      expect(again.classes).toBe(tasks[index].classes);
    }
  });
});
