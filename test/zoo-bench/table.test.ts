import { mkdir, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { metricNames } from '../../src/metrics/index.js';
import { writeSafetensors } from '../../src/tensors/index.js';
import { realMerges } from '../../src/zoo/real-merges.js';
import { firstSamples } from '../../src/zoo/task.js';
import { evaluate } from '../../src/zoo/train.js';
import { VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';
import { openZoo } from '../bench/zoo/open-zoo.js';
import { type MadeTable, makeTable, type TableOptions } from '../bench/zoo/table.js';
import { taskTensors } from '../zoo/small-tasks.js';

const TASKS = { bars: 2, lines: 3, poles: 2 };
const RECIPE = { steps: 3, batch: 8, learningRate: 1e-3 };

let folder: string;
let options: TableOptions;
let first: MadeTable;
const phases: string[] = [];
beforeAll(async () => {
  await openBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-table-'));
  const data = join(folder, 'tasks');
  await mkdir(data);
  for (const [name, classes] of Object.entries(TASKS)) {
    await writeSafetensors(join(data, `${name}.safetensors`), taskTensors(name, classes, 200));
  }
  options = {
    data,
    seed: 3,
    pretraining: ['bars'],
    pool: ['bars', 'lines', 'poles-turned'],
    methods: ['weight_avg', 'ties'],
    recipes: { pretraining: RECIPE, fineTuning: RECIPE },
    cache: join(folder, 'cache'),
    threads: 2,
  };
  first = await makeTable({
    ...options,
    onProgress: (phase, done, total) => phases.push(`${phase} ${done}/${total}`),
  });
});
afterAll(() => rm(folder, { recursive: true }));

describe('makeTable', () => {
  it('has every pair by every method, all metrics, and everything on test and calibration samples', () => {
    const { table, made } = first;
    expect(table.pairs.map(({ a, b }) => `${a} ${b}`)).toEqual([
      'bars lines',
      'bars poles-turned',
      'lines poles-turned',
    ]);
    for (const { metrics, merges } of table.pairs) {
      expect(Object.keys(metrics).sort()).toEqual([...metricNames].sort());
      expect(Object.values(metrics).filter((value) => value === null)).toEqual([]);
      expect(Object.keys(merges)).toEqual(options.methods);
      for (const { a, b } of Object.values(merges)) {
        expect([a, b].map(({ test }) => test.samples)).toEqual([12, 12]);
        expect(Object.values(a.calibration).map(({ samples }) => samples)).toEqual([8, 32, 40]);
      }
    }
    expect(Object.keys(table.own)).toEqual(options.pool);
    expect(Object.keys(table.half)).toEqual(options.pool);
    // own models, metrics of all but the last, merges
    expect(made).toBe(3 + 2 + 6);
    expect(phases).toContain('pretrain 3/3');
    expect(phases.slice(-1)).toEqual(['merges 6/6']);
  });

  it('says of models and merges what is measured here, one after the other', async () => {
    const zoo = await openZoo({ ...options, fineTuner: { threads: 1, fineTune: never }, onProgress: never });
    const model = new VisionTransformer(ZOO_SHAPE, 0);
    const [bars, lines] = zoo.models;
    const [merge] = await realMerges(model, {
      base: zoo.base,
      live: { task: bars!.task, tau: bars!.reference.tau, head: bars!.head },
      references: [lines!.reference],
      tasks: [lines!.task],
      methods: ['ties'],
    });
    const found = first.table.pairs[0]!.merges.ties!;
    expect([found.a.test.accuracy, found.b.test.accuracy]).toEqual([
      merge!.accuracy.live,
      merge!.accuracy.reference,
    ]);
    // realMerges leaves the model at the last merge
    const few = await evaluate(model, bars!.task, firstSamples(bars!.task.calibration, 8));
    expect(found.a.calibration['8']).toEqual(few);
    expect(first.table.own.bars!.calibration['128'].accuracy).toBeCloseTo(bars!.reference.accuracy!, 6);
    model.dispose();
  });

  it('makes nothing again that the cache holds, and only what is new or broken', async () => {
    const same = { ...options, threads: 1 };
    const again = await makeTable(same);
    expect(again.made).toBe(0);
    expect(again.table).toEqual(first.table);
    const files = join(options.cache!, 'zoo-bench');
    const [broken] = (await readdir(files)).filter((name) => name.startsWith('merge-bars--lines-ties'));
    await truncate(join(files, broken!), 20);
    const mended = await makeTable(same);
    expect(mended.made).toBe(1);
    expect(mended.table).toEqual(first.table);
    expect(JSON.parse(await readFile(join(files, broken!), 'utf8'))).toEqual(
      first.table.pairs[0]!.merges.ties,
    );
    const more = await makeTable({ ...same, methods: ['ties', 'task_arithmetic'] });
    expect(more.made).toBe(3);
    expect(more.table.pairs[2]!.merges.ties).toEqual(first.table.pairs[2]!.merges.ties);
    const fewer = await makeTable({ ...same, testSamples: 5 });
    expect(fewer.made).toBe(3 + 6);
    expect(fewer.table.own.bars!.test.samples).toBe(5);
  });
});

function never(): never {
  throw new Error('the cache holds it');
}
