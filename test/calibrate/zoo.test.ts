import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { type Calibration, calibrate } from '../../src/calibrate/calibrate.js';
import { openPool } from '../../src/calibrate/open-pool.js';
import { readPoolFile } from '../../src/calibrate/pool-file.js';
import { FEATURES } from '../../src/fingerprint/index.js';
import type { Pool } from '../../src/zoo/index.js';
import { loadPoolTask, preparePool } from '../../src/zoo/index.js';
import { realMerges } from '../../src/zoo/real-merges.js';
import { VisionTransformer } from '../../src/zoo/vision-transformer.js';
import { barTask, writeTaskFolder } from '../zoo/small-tasks.js';

const METHODS = ['weight_avg', 'tsv'];
/** in the order of their files */
const TASKS = ['bars-turned', 'bars', 'lines-inverted', 'lines', 'poles'];
const SHAPE = { width: 16, depth: 1, heads: 4 };
const SOURCE = { seed: 3 };

let folder: string;
let pool: Pool;
let result: Calibration;

async function opened(options: Record<string, unknown> = {}) {
  const [key] = readdirSync(join(folder, 'zoo'));
  const settings = {
    base: `zoo/${key}/base.safetensors`,
    models: `zoo/${key}`,
    methods: METHODS,
    groups: { each: 10 },
    evaluate: { zoo: { ...SOURCE, data: 'tasks' } },
    ...options,
  };
  writeFileSync(join(folder, 'pool.yaml'), JSON.stringify(settings));
  return openPool(await readPoolFile(join(folder, 'pool.yaml')));
}

beforeAll(async () => {
  await openBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-zoo-pool-'));
  await mkdir(join(folder, 'tasks'));
  await writeTaskFolder(join(folder, 'tasks'));
  const recipe = { batch: 16, learningRate: 2e-3 };
  pool = await preparePool({
    pretraining: [barTask('bars', 2)],
    references: await Promise.all(
      TASKS.map((name) => loadPoolTask({ ...SOURCE, data: join(folder, 'tasks') }, name)),
    ),
    seed: 0,
    source: 'test',
    cache: folder,
    recipes: { shape: SHAPE, pretraining: { ...recipe, steps: 5 }, fineTuning: { ...recipe, steps: 20 } },
  });
  result = await calibrate(await opened(), { work: join(folder, 'work'), workers: 2 });
});
afterAll(() => rm(folder, { recursive: true }));

describe('a pool of the zoo', () => {
  it('is merged and evaluated as the demo does it', async () => {
    expect(result.failures).toEqual([]);
    expect(result.evaluations).toEqual({ total: 10 + 40 + 60, reused: 0, failed: 0 });
    const model = new VisionTransformer(SHAPE, 0);
    const tasks = await Promise.all(
      TASKS.map((name) => loadPoolTask({ ...SOURCE, data: join(folder, 'tasks') }, name)),
    );
    const { tau, head } = pool.references[0]!;
    const merges = await realMerges(model, {
      base: pool.base,
      live: { task: tasks[0]!, tau, head: head! },
      references: pool.references.slice(1),
      tasks: tasks.slice(1),
      methods: METHODS,
    });
    model.dispose();
    expect(merges).toHaveLength(8);
    for (const { reference, method, accuracy, normalised } of merges) {
      const pair = result.pairs.find(({ taskA, taskB }) => taskA === TASKS[0] && taskB === reference)!;
      expect(pair.accuracies[method]).toBeCloseTo((accuracy.live + accuracy.reference) / 2, 6);
      const isInTable = normalised <= 1.2;
      expect(pair.outcomes[method]).toEqual(isInTable ? expect.closeTo(normalised, 6) : null);
    }
  });

  it('has all metrics of every pair and outcomes of groups', () => {
    expect(result.pairs).toHaveLength(10);
    for (const { metrics } of result.pairs) {
      expect(Object.keys(metrics).filter((name) => metrics[name] === null)).toEqual([]);
      expect(Object.keys(metrics).sort()).toEqual([...FEATURES].sort());
    }
    expect(result.groups).toHaveLength(10);
    expect(result.groups.every(({ tasks }) => tasks.length === 3)).toBe(true);
  });

  it('is not measured again, but with other task files', async () => {
    const work = join(folder, 'work');
    const again = await calibrate(await opened(), { work });
    expect(again.evaluations.reused).toBe(again.evaluations.total);
    expect(again.pairs).toEqual(result.pairs);
    const other = { zoo: { data: 'tasks', seed: 4 } };
    const changed = await calibrate(await opened({ evaluate: other, groups: undefined, selfProbe: false }), {
      work,
    });
    expect(changed.evaluations).toMatchObject({ total: 45, reused: 0 });
    // the split into training and calibration samples has no part in test accuracies
    expect(changed.pairs.map(({ accuracies }) => accuracies)).toEqual(
      result.pairs.map(({ accuracies }) => accuracies),
    );
  });

  it('is measured again only where a kill left the metrics of a pair out', async () => {
    const journal = join(folder, 'work/journal.jsonl');
    const lines = readFileSync(journal, 'utf8').split('\n').slice(0, -1);
    const isTorn = (line: string) => {
      const { kind, b, metrics } = JSON.parse(line);
      return kind === 'metrics' && b === 'poles' && metrics.activation_dot_product !== null;
    };
    const torn = lines.filter(isTorn).length;
    expect(torn % 4).toBe(0);
    await mkdir(join(folder, 'torn'));
    writeFileSync(
      join(folder, 'torn/journal.jsonl'),
      `${lines.filter((line) => !isTorn(line)).join('\n')}\n`,
    );
    const shown: string[] = [];
    const again = await calibrate(await opened(), {
      work: join(folder, 'torn'),
      onProgress: ({ stage, done, total }) => shown.push(`${stage}: ${done} of ${total}`),
    });
    expect(shown).toEqual([1, 2, 3, 4].map((done) => `metrics through the hook: ${done} of 4`));
    expect(again.pairs).toEqual(result.pairs);
  });

  it('is refused for tasks that are not there', async () => {
    await expect(opened({ evaluate: { zoo: { data: null } } })).rejects.toThrow(
      /can not be calibrated:\n {2}- bars-turned: there is no task "bars-turned"; there are (.*\n)*.*lines-inverted: there is no task/,
    );
  });
});
