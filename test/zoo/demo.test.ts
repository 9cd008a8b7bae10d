import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { type GuardEvent, resolveConfig } from '../../src/guard/index.js';
import { MergeguardError } from '../../src/tensors/index.js';
import { type DemoOptions, openDemo } from '../../src/zoo/demo.js';
import { chooseTasks, digest, loadTask, pretrainingTasks } from '../../src/zoo/demo-tasks.js';
import { DRAWN_TASK_NAMES } from '../../src/zoo/drawn-tasks.js';
import { sampleCount } from '../../src/zoo/task.js';
import { barTask, writeTaskFolder } from './small-tasks.js';

let data: string;
beforeAll(async () => {
  await openBackend('wasm');
  data = await mkdtemp(join(tmpdir(), 'mergeguard-demo-'));
  await writeTaskFolder(data);
});
afterAll(() => rm(data, { recursive: true }));

const drawn = { data: null, task: null, references: null, seed: 0 };

describe("the demo's tasks", () => {
  it('are drawn ones by default, and the live one is no reference', async () => {
    const { live, references, all } = await chooseTasks(drawn);
    expect(all).toEqual(DRAWN_TASK_NAMES);
    expect(all).toEqual(expect.arrayContaining([live, ...references]));
    expect(references.length).toBe(4);
    expect(references).not.toContain(live);
  });

  it('of a folder are the first and the others by default, or those named', async () => {
    const folder = { ...drawn, data };
    expect(await chooseTasks(folder)).toMatchObject({ live: 'bars', references: ['lines', 'poles'] });
    expect(await chooseTasks({ ...folder, task: 'poles' })).toMatchObject({ references: ['bars', 'lines'] });
    const named = await chooseTasks({ ...folder, task: 'lines', references: ['poles'] });
    expect(named).toMatchObject({ live: 'lines', references: ['poles'] });
  });

  it('are refused all at once when unknown, doubled, or live and reference at the same time', async () => {
    const choosing = chooseTasks({ ...drawn, data, task: 'bars', references: ['bars', 'no', 'no', 'nil'] });
    await expect(choosing).rejects.toThrow(MergeguardError);
    await expect(choosing).rejects.toThrow(
      [
        'the demo can not start:',
        '  - there is no task "no", "nil"; there are bars, lines, poles',
        '  - "bars" is the live task and a reference; a model is not merged with its own task',
        '  - a reference is named twice: bars, no, no, nil',
      ].join('\n'),
    );
  });

  it('are refused when the folder has no second task to merge with', async () => {
    const lonely = await mkdtemp(join(tmpdir(), 'mergeguard-lonely-'));
    await cp(join(data, 'bars.safetensors'), join(lonely, 'bars.safetensors'));
    await expect(chooseTasks({ ...drawn, data: lonely })).rejects.toThrow(
      'there is no reference to merge with; a folder needs two task files or more',
    );
    await rm(lonely, { recursive: true });
  });

  it('to pre-train on are never the live one, and half of those of the references', async () => {
    const options = { ...drawn, data, task: 'poles', references: ['lines'] };
    const lines = await loadTask(options, 'lines');
    const tasks = await pretrainingTasks(options, await chooseTasks(options), [lines]);
    expect(tasks.map(({ name }) => name)).toEqual(['bars', 'lines']);
    expect(tasks.map(({ train }) => sampleCount(train))).toEqual([32, 16]);
    expect(tasks[1].train.labels).toEqual(lines.train.labels.subarray(0, 16));
    const names = (await pretrainingTasks(drawn, await chooseTasks(drawn), [])).map(({ name }) => name);
    expect(names.filter((name) => DRAWN_TASK_NAMES.includes(name))).toEqual([]);
  });

  it('have a digest that a single pixel changes', () => {
    const changed = barTask('bars', 2);
    expect(digest([changed])).toBe(digest([barTask('bars', 2)]));
    changed.test.images[100] ^= 1;
    expect(digest([changed])).not.toBe(digest([barTask('bars', 2)]));
  });
});

describe('a demo', () => {
  const short: Omit<DemoOptions, 'data'> = {
    task: 'bars',
    references: ['lines'],
    steps: 4,
    pretrainSteps: 2,
    referenceSteps: 2,
    seed: 0,
    cache: null,
    config: resolveConfig({ fingerprint: null, tap: { every: 2, foldStride: 1 } }),
  };

  /** All events of a demo, and how it came out; `onEvent` sees them first. */
  async function play(
    onEvent: (event: GuardEvent) => void = () => {},
    signal?: AbortSignal,
    changes: Partial<DemoOptions> = {},
  ) {
    const demo = await openDemo({ ...short, data, ...changes });
    const events: GuardEvent[] = [];
    demo.guard.events.subscribe((event) => {
      events.push(event);
      onEvent(event);
    });
    const result = await demo.play(signal).catch((error: unknown) => error);
    return { demo, events, result };
  }

  it('says hello, then progress and ticks under one run name, then the end with the result', async () => {
    const { demo, events, result } = await play();
    expect(demo.run).toBe('demo-bars-seed0');
    expect(new Set(events.map(({ run }) => run))).toEqual(new Set([demo.run]));
    const names = events.map(({ event }) => event);
    expect(names[0]).toBe('hello');
    expect(names.filter((name) => name === 'tick').length).toBe(2);
    const phases = events.flatMap((event) => (event.event === 'progress' ? [event.phase] : []));
    expect([...new Set(phases)]).toEqual([
      'read tasks',
      'pretrain',
      'reference lines',
      'train',
      'measure spectra',
      'measure functional metrics',
      'measure merges',
      'merge for real',
    ]);
    for (const phase of new Set(phases)) {
      const last = events.findLast((event) => event.event === 'progress' && event.phase === phase);
      expect(last).toSatisfy(({ done, total }) => done === total);
    }
    expect(result).toMatchObject({ error: null });
    const last = events.findLast((event) => event.event === 'tick')!;
    for (const { metrics, reasons } of last.pairs) {
      expect(Object.keys(metrics)).toHaveLength(28);
      expect(reasons).toEqual({});
    }
    expect(last.ages).toEqual({});
    const { outcomes } = result as { outcomes: { predicted: null; real: number | null }[] };
    expect(outcomes.length).toBeGreaterThanOrEqual(3);
    for (const { predicted, real } of outcomes) {
      expect(predicted).toBeNull();
      expect(real === null || Number.isFinite(real)).toBe(true);
    }
    expect(events.at(-1)).toMatchObject({ event: 'end', status: 'done', summary: result });
  });

  it('evaluates on as many test images as it is told', async () => {
    const { result } = await play(undefined, undefined, { testImages: 7 });
    const { accuracy } = result as { accuracy: number };
    expect(7 * accuracy).toBeCloseTo(Math.round(7 * accuracy), 9);
    expect(sampleCount(barTask('bars', 2).test)).toBeGreaterThan(7);
  });

  it.each(['pretrain', 'reference lines', 'train', 'merge for real'])(
    'stops in the phase "%s" when it is told to',
    async (phase) => {
      const stop = new AbortController();
      const reason = new Error('enough for today');
      const { events, result } = await play((event) => {
        if (event.event === 'progress' && event.phase === phase) {
          stop.abort(reason);
        }
      }, stop.signal);
      expect(result).toBe(reason);
      expect(events.at(-1)).toMatchObject({ event: 'end', status: 'failed', reason: 'enough for today' });
      const later = events.slice(
        events.findIndex((event) => event.event === 'progress' && event.phase === phase),
      );
      expect(later.filter((event) => event.event === 'progress' && event.phase !== phase)).toEqual([]);
    },
  );
});
