import { describe, expect, it } from 'vitest';
import { relabelMetrics } from '../../src/fingerprint/relabel.js';
import { syntheticTable, TASKS } from './synthetic.js';

const good = syntheticTable();

describe('relabelMetrics', () => {
  it('moves metrics by one relabelling of the tasks and leaves outcomes alone', () => {
    const named = good.map((row) => ({
      ...row,
      metrics: { a: TASKS.indexOf(row.taskA), b: TASKS.indexOf(row.taskB) },
    }));
    const relabelled = relabelMetrics(named, 5);
    expect(relabelled).toHaveLength(named.length);
    // task pairs are sent to task pairs by one map without fixed points
    const seen = new Map<number, Set<number>>();
    relabelled.forEach((row, i) => {
      expect(row.outcomes).toEqual(named[i].outcomes);
      for (const task of [named[i].metrics.a, named[i].metrics.b]) {
        const images = new Set([row.metrics.a, row.metrics.b]);
        seen.set(task, new Set([...(seen.get(task) ?? images)].filter((image) => images.has(image))));
      }
    });
    for (const [task, images] of seen) {
      expect(images.size).toBe(1);
      expect(images.has(task)).toBe(false);
    }
    expect(relabelMetrics(named, 5)).toEqual(relabelled);
    expect(relabelMetrics(named, 6)).not.toEqual(relabelled);
  });

  it('keeps the checkpoint and the order of the sides, where the table has both orders', () => {
    const sided = good.flatMap((row) =>
      [1, 2].flatMap((checkpoint) => [
        {
          ...row,
          checkpoint,
          metrics: { a: TASKS.indexOf(row.taskA), b: TASKS.indexOf(row.taskB), checkpoint },
        },
        {
          ...row,
          taskA: row.taskB,
          taskB: row.taskA,
          checkpoint,
          metrics: { a: TASKS.indexOf(row.taskB), b: TASKS.indexOf(row.taskA), checkpoint },
        },
      ]),
    );
    const relabelled = relabelMetrics(sided, 2);
    expect(relabelled).toHaveLength(sided.length);
    const images = new Map<string, number>();
    for (const { taskA, taskB, checkpoint, metrics } of relabelled) {
      expect(metrics.checkpoint).toBe(checkpoint);
      for (const [task, image] of [
        [taskA, metrics.a],
        [taskB, metrics.b],
      ] as const) {
        expect(images.get(task) ?? image).toBe(image);
        images.set(task, image);
      }
    }
    expect([...images.values()].sort()).toEqual(TASKS.map((_, i) => i));
  });

  it('leaves out rows whose relabelled pair is not in the table, and no others', () => {
    // with the tasks in the same order, or it is another relabelling
    const holes = good.filter((_, i) => i < 6 || i % 3 !== 0);
    const full = relabelMetrics(good, 4);
    const kept = relabelMetrics(holes, 4);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(holes.length);
    const present = new Set(holes.map(({ metrics }) => metrics));
    const expected = full.filter(
      (row) =>
        holes.some(({ taskA, taskB }) => taskA === row.taskA && taskB === row.taskB) &&
        present.has(row.metrics),
    );
    expect(kept).toEqual(expected);
  });

  it('keeps the self-probe and the id of the row whose outcome it is', () => {
    const numbered = good.map((row, id) => ({ ...row, id }));
    relabelMetrics(numbered, 1).forEach((row, i) => {
      expect([row.id, row.selfProbe]).toEqual([i, good[i].selfProbe]);
      expect(row.metrics).not.toBe(good[i].metrics);
    });
  });
});
