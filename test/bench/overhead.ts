import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { openBackend } from '../../src/backend/index.js';
import { ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';
import { BATCH, GuardedSteps, REFERENCES } from './common/guarded-steps.js';

/**
 * What does the guard cost? Step time of the demo's transformer with the guard over without it: blocks of guarded
 * and of plain steps in turn, on the same model and optimiser, for budgets of 1 %, 2 % (the default) and 5 %; 4 references,
 * 128 calibration samples, default cadence; and whether tensors or memory grow. `npm run bench:overhead [-- STEPS]`, 1,000
 * guarded and 1,000 plain steps a budget by default. All of them use the same kernels. On a shared machine the CPU time of
 * the process, which leaves out what others take from it, is the steadier figure.
 */
const STEPS = Number(process.argv[2] ?? 1000);
const BLOCK = 25;
const BUDGETS = [0.01, 0.02, 0.05];

interface Times {
  wall: number;
  cpu: number;
}

interface Arm {
  readonly budget: number;
  readonly steps: GuardedSteps;
  /** by kind of step, ms in all */
  readonly plain: Times;
  readonly guarded: Times;
}

const backend = await openBackend('wasm');
console.log(`${backend.description}, node ${process.version}, ${cpus().length} cores (${cpus()[0].model})`);
const arms: Arm[] = [];
for (const budget of BUDGETS) {
  const steps = await GuardedSteps.open(ZOO_SHAPE, budget);
  arms.push({ budget, steps, plain: { wall: 0, cpu: 0 }, guarded: { wall: 0, cpu: 0 } });
}
console.log(
  `${arms[0].steps.model.encoder().size} tensors, ${REFERENCES} references, batch ${BATCH}, ${STEPS} guarded and ${STEPS} plain steps a budget in blocks of ${BLOCK}\n`,
);

let memory: { tensors: number; megabytes: number } | null = null;
for (let done = 0; done < STEPS; done += BLOCK) {
  for (const arm of arms) {
    // Now one first, now the other: what follows what does not favour either.
    const guardedFirst = (done / BLOCK) % 2 === 0;
    await runBlock(arm, guardedFirst);
    await runBlock(arm, !guardedFirst);
  }
  if (done + BLOCK === 10 * BLOCK) {
    memory = footprint();
  }
}

console.log('budget   plain ms   guarded ms    ratio   of CPU time   may be   ticks   own account');
const count = BLOCK * Math.ceil(STEPS / BLOCK);
for (const { budget, steps, plain, guarded } of arms) {
  const cells = [
    `${100 * budget} %`.padEnd(6),
    (plain.wall / count).toFixed(2).padStart(10),
    (guarded.wall / count).toFixed(2).padStart(12),
    (guarded.wall / plain.wall).toFixed(4).padStart(8),
    (guarded.cpu / plain.cpu).toFixed(4).padStart(13),
    (1 + budget * (4 / 3)).toFixed(4).padStart(8),
    String(steps.ticks).padStart(7),
    `${(100 * (steps.overhead ?? 0)).toFixed(2)} %`.padStart(13),
  ];
  console.log(cells.join(' '));
}
const after = footprint();
if (memory) {
  console.log(
    `\ntensors ${memory.tensors} -> ${after.tensors}, resident ${memory.megabytes} -> ${after.megabytes} MB over the last ${STEPS - 10 * BLOCK} guarded steps of every budget`,
  );
}
for (const { steps } of arms) {
  await steps.close();
}

async function runBlock(arm: Arm, guarded: boolean): Promise<void> {
  const { wall, cpu } = await arm.steps.run(BLOCK, guarded);
  const times = guarded ? arm.guarded : arm.plain;
  times.wall += wall;
  times.cpu += cpu;
}

function footprint(): { tensors: number; megabytes: number } {
  globalThis.gc?.();
  return { tensors: tf.memory().numTensors, megabytes: Math.round(process.memoryUsage().rss / 2 ** 20) };
}
