import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { writeSafetensors } from '../../src/tensors/index.js';
import { analyseLive } from '../bench/steer/analyse-live.js';
import { analysePools } from '../bench/steer/analyse-pools.js';
import { liveLines } from '../bench/steer/live-lines.js';
import { poolLines } from '../bench/steer/report-lines.js';
import type { SteerTable } from '../bench/steer/steer-table.js';
import { makeSteerTable, type SteerOptions, type SteerPlan } from '../bench/steer/table.js';
import type { Variant } from '../bench/steer/variant.js';
import { taskTensors } from '../zoo/small-tasks.js';

const SHARPNESS: Variant = {
  id: 'sharpness',
  title: 'sharpness',
  terms: [{ term: 'sharpness', strength: 1, parameters: { radius: 0.05, every: 2 } }],
};
const SUBSPACE: Variant = {
  id: 'subspace',
  title: 'subspace',
  terms: [{ term: 'subspace', strength: 0.1 }],
  knowsOthers: true,
};
const AVERAGE: Variant = { id: 'average', title: 'average', terms: [], recipe: { averaging: { from: 0.5 } } };

/** At a step size that controls are not chosen from. */
const LARGE: Variant = { ...SHARPNESS, id: 'large', title: 'large', recipe: { learningRate: 2e-3 } };

const RECIPE = { steps: 4, batch: 8, learningRate: 1e-3 };
const PLAN: SteerPlan = {
  baseRecipes: {
    shape: { width: 16, depth: 1, heads: 4 },
    pretraining: RECIPE,
    fineTuning: RECIPE,
  },
  fineTuning: RECIPE,
  samples: { calibration: 20, test: 10, refinements: 0 },
  stepBlocks: 1,
  headline: ['weight_avg', 'ties'],
  pools: {
    variants: [SHARPNESS, SUBSPACE, AVERAGE, LARGE],
    further: ['tsv'],
    learningRates: [1e-3, 3e-3],
  },
  live: { variants: [SHARPNESS, SUBSPACE, LARGE], lives: 1, references: 2 },
};

let folder: string;
let options: SteerOptions;
let first: SteerTable;
const work: string[] = [];
beforeAll(async () => {
  await openBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-steer-table-'));
  const data = join(folder, 'tasks');
  await mkdir(data);
  for (const [name, classes] of Object.entries({ bars: 2, lines: 3, poles: 2 })) {
    await writeSafetensors(join(data, `${name}.safetensors`), taskTensors(name, classes, 100));
  }
  options = {
    data,
    seed: 3,
    pretraining: ['bars'],
    pool: ['bars', 'lines', 'poles-turned'],
    plan: PLAN,
    cache: join(folder, 'cache'),
    threads: 2,
  };
  first = await makeSteerTable({ ...options, onWork: ({ kind }) => work.push(kind) });
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

describe('makeSteerTable', () => {
  it('has plain training, every variant and its compute-matched controls, merged by every method', () => {
    const { results, variants } = first.pools!;
    expect(variants.map(({ id }) => id)).toEqual(['sharpness', 'subspace', 'average', 'large']);
    expect(Object.keys(results).sort()).toEqual(
      // 1.5 gradient evaluations on 4 steps; the others cost what plain training does
      [
        'average',
        'large',
        'plain',
        'plain-4-0.002',
        'plain-4-0.003',
        'plain-6-0.001',
        'plain-6-0.003',
        'sharpness',
        'subspace',
      ].sort(),
    );
    expect(results.sharpness!.gradientEvaluations).toBe(1.5);
    expect(variants.map(({ ownPlain }) => ownPlain)).toEqual(['plain', 'plain', 'plain', 'plain-4-0.002']);
    for (const id of ['plain', 'sharpness', 'plain-4-0.002', variants[0]!.control]) {
      const { single, pairs, all } = results[id]!;
      expect(Object.keys(single)).toEqual(options.pool);
      expect(pairs.map(({ a, b }) => `${a} ${b}`)).toEqual([
        'bars lines',
        'bars poles-turned',
        'lines poles-turned',
      ]);
      for (const merges of [...pairs.map((pair) => pair.merges), all]) {
        expect(Object.keys(merges)).toEqual(['weight_avg', 'ties', 'tsv']);
      }
      expect(Object.keys(all.ties!.accuracy)).toEqual(options.pool);
    }
    expect(results.subspace!.pairs).not.toEqual(results.plain!.pairs);
  });

  it('times the steps of what does something in them', () => {
    const costs = first.pools!.variants.map(({ stepCost }) => stepCost);
    expect(costs.every((cost) => cost!.ratio > 0)).toBe(true);
  });

  it('has every live model against the same references', () => {
    const { references, variants } = first.live!;
    expect(references).toEqual(['lines', 'poles-turned']);
    expect(variants.map(({ id, ownPlain }) => `${id} ${ownPlain}`)).toEqual([
      'plain plain',
      'plain-4-0.002 plain-4-0.002',
      'sharpness plain',
      'subspace plain',
      'large plain-4-0.002',
    ]);
    for (const { lives } of variants) {
      expect(lives.map(({ task }) => task)).toEqual(['bars']);
      expect(lives[0]!.pairs.map(({ reference }) => reference)).toEqual(references);
    }
    // A live plain model is the one of the plain pool.
    const [pair] = variants[0]!.lives[0]!.pairs;
    const same = first.pools!.results.plain!.pairs.find(({ b }) => b === pair!.reference)!;
    expect(pair!.merges.ties).toEqual(same.merges.ties);
  });

  it('tells of its work, and can be reported', () => {
    expect([...new Set(work)].sort()).toEqual(['live', 'merge', 'model', 'pretrain']);
    const pools = analysePools([{ ...first, pools: first.pools! }], 20);
    const live = analyseLive([{ ...first, live: first.live! }], 20);
    expect(poolLines(pools).length).toBeGreaterThan(20);
    expect(liveLines(live).length).toBeGreaterThan(5);
  });

  it('makes nothing again that the cache holds', async () => {
    const before = await readdir(join(options.cache!, 'steer-bench'), { recursive: true });
    const again = await makeSteerTable({ ...options, threads: 1 });
    expect(again).toEqual(first);
    expect(await readdir(join(options.cache!, 'steer-bench'), { recursive: true })).toEqual(before);
  });

  it('does one part alone where the other is left out', async () => {
    const { pools, live } = await makeSteerTable({ ...options, plan: { ...PLAN, pools: null } });
    expect(pools).toBeNull();
    expect(live).toEqual(first.live);
  });
}, 240_000);
