import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openBackend } from '../../src/backend/index.js';
import { duration } from '../../src/cli/work-progress.js';
import { writeReference } from '../../src/reference/index.js';
import { writeSafetensors } from '../../src/tensors/index.js';
import { digest } from '../../src/zoo/demo-tasks.js';
import {
  loadPoolTask,
  loadPretraining,
  poolTaskNames,
  preparePool,
  ZooEvaluators,
} from '../../src/zoo/index.js';

/**
 * How long does calibrating a pool take? Eight zoo models, 28 pairs by the six methods, every merge evaluated on all test
 * images of both tasks, the fit with chosen penalties included: `npm run bench:calibrate [-- --data FOLDER]`, by default on
 * drawn tasks. The models are made first where the cache does not hold them, which is not counted. Exit code 1 where
 * it takes longer than the bound.
 */
const BOUND_SECONDS = 15 * 60;
const MODELS = 8;
const SEED = 0;
const CACHE = '.mergeguard';

const { values } = parseArgs({ options: { data: { type: 'string' } } });
const data = values.data ?? null;
const threads = availableParallelism();
const backend = await openBackend('wasm');
console.log(`${threads} cores (${cpus()[0]?.model.trim()}), node ${process.version}, ${backend.description}`);

const folder = await writePool();
console.log('the models are there; calibrating:');
const began = performance.now();
const out = join(folder, 'fp.json');
const args = ['calibrate', '--pool', join(folder, 'pool.yaml'), '--out', out];
const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/index.ts', ...args], { stdio: 'inherit' });
const [code] = await once(child, 'close');
const seconds = (performance.now() - began) / 1000;
console.log(
  `\n${MODELS} models, ${(MODELS * (MODELS - 1)) / 2} pairs by 6 methods: ${duration(seconds)}, at most ${duration(BOUND_SECONDS)} asked for`,
);
process.exitCode = code === 0 && seconds <= BOUND_SECONDS ? 0 : 1;

/** Trains the pool and writes it into a fresh folder. */
async function writePool(): Promise<string> {
  const source = { data, seed: SEED };
  const names = await poolTaskNames({ data, count: MODELS });
  const tasks = await Promise.all(names.pool.map((name) => loadPoolTask(source, name)));
  const fineTuner = await ZooEvaluators.open({ ...source, threads });
  const pool = await preparePool({
    pretraining: await loadPretraining(source, names),
    references: tasks,
    seed: SEED,
    source: data === null ? 'drawn' : digest(tasks),
    cache: CACHE,
    fineTuner,
  });
  await fineTuner.close();
  const made = join(CACHE, 'bench-calibrate');
  await rm(made, { recursive: true, force: true });
  await mkdir(join(made, 'models'), { recursive: true });
  await writeSafetensors(join(made, 'base.safetensors'), pool.base);
  for (const reference of pool.references) {
    await writeReference(join(made, 'models', `${reference.name}.safetensors`), reference);
  }
  const settings = {
    base: 'base.safetensors',
    models: 'models',
    evaluate: { zoo: { ...source, data: data === null ? null : resolve(data) } },
  };
  // JSON is YAML
  await writeFile(join(made, 'pool.yaml'), JSON.stringify(settings));
  return made;
}
