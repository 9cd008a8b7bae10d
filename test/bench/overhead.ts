import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { type Attached, attach, sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import type { TickEvent } from '../../src/guard/index.js';
import { makeReference, type Reference } from '../../src/reference/index.js';
import { type HostTensor, type NamedTensors, Random } from '../../src/tensors/index.js';
import { drawnTasks } from '../../src/zoo/drawn-tasks.js';
import { imageTensor } from '../../src/zoo/image-tensor.js';
import { setEncoder } from '../../src/zoo/pool.js';
import { pick, sampleCount } from '../../src/zoo/task.js';
import { VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';

/**
 * What does the guard cost? Step time of the demo's transformer with the guard over without it: blocks of guarded
 * and of plain steps in turn, on the same model and optimiser (two models of the same shape differ by several per
 * cent by where their memory lies), for budgets of 1 %, 2 % (the default) and 5 %; 4 references, 128 calibration
 * samples, default cadence; and whether tensors or memory grow. `npm run bench:overhead [-- STEPS]`, 1,000 guarded
 * and 1,000 plain steps a budget by default. All of them use the same kernels. On a shared machine the CPU time of
 * the process, which leaves out what others take from it, is the steadier figure.
 */
const STEPS = Number(process.argv[2] ?? 1000);
const BLOCK = 25;
const BATCH = 32;
const BUDGETS = [0.01, 0.02, 0.05];

interface Times {
  readonly wall: number[];
  cpu: number;
}

interface Arm {
  readonly budget: number;
  readonly model: VisionTransformer;
  readonly optimizer: tf.Optimizer;
  readonly guard: Attached;
  /** by kind of step: wall time of every step, and the process's CPU time in all, ms */
  readonly plain: Times;
  readonly guarded: Times;
}

const backend = await openBackend('wasm');
console.log(`${backend.description}, node ${process.version}, ${cpus().length} cores (${cpus()[0].model})`);
const [task] = drawnTasks(0, ['curves']);
const calibration = imageTensor(task.calibration);
const batches = makeBatches(8);
const ticks = new Map<Arm, number>();
const lastTick = new Map<Arm, TickEvent>();
const arms: Arm[] = [];
for (const budget of BUDGETS) {
  arms.push(await openArm(budget));
}
console.log(
  `${arms[0].model.encoder().size} tensors, 4 references, batch ${BATCH}, ${STEPS} guarded and ${STEPS} plain steps a budget in blocks of ${BLOCK}\n`,
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

const mean = (values: readonly number[]) => values.reduce((sum, ms) => sum + ms, 0) / values.length;
console.log('budget   plain ms   guarded ms    ratio   of CPU time   may be   ticks   own account');
for (const arm of arms) {
  const [plain, guarded] = [mean(arm.plain.wall), mean(arm.guarded.wall)];
  const last = lastTick.get(arm);
  const cells = [
    `${100 * arm.budget} %`.padEnd(6),
    plain.toFixed(2).padStart(10),
    guarded.toFixed(2).padStart(12),
    (guarded / plain).toFixed(4).padStart(8),
    (arm.guarded.cpu / arm.plain.cpu).toFixed(4).padStart(13),
    (1 + arm.budget * (4 / 3)).toFixed(4).padStart(8),
    String(ticks.get(arm) ?? 0).padStart(7),
    `${(100 * (last?.cost.overhead ?? 0)).toFixed(2)} %`.padStart(13),
  ];
  console.log(cells.join(' '));
}
const after = footprint();
if (memory) {
  console.log(
    `\ntensors ${memory.tensors} -> ${after.tensors}, resident ${memory.megabytes} -> ${after.megabytes} MB over the last ${STEPS - 10 * BLOCK} guarded steps of every budget`,
  );
}
for (const arm of arms) {
  await arm.guard.detach();
}

async function openArm(budget: number): Promise<Arm> {
  const model = new VisionTransformer(ZOO_SHAPE, 0);
  model.addHead(task.name, task.classes, 0);
  const optimizer = tf.train.adam(5e-4);
  const guard = await attach(optimizer, {
    weights: new Map([...model.encoder(), ...model.head(task.name)]),
    references: await references(model),
    config: { overhead: budget },
    calibration: {
      inputs: calibration,
      labels: task.calibration.labels,
      predict: (images) => model.logits(images as tf.Tensor3D, task.name),
    },
  });
  const arm: Arm = {
    budget,
    model,
    optimizer,
    guard,
    plain: { wall: [], cpu: 0 },
    guarded: { wall: [], cpu: 0 },
  };
  guard.events.subscribe((event) => {
    if (event.event === 'tick') {
      ticks.set(arm, (ticks.get(arm) ?? 0) + 1);
      lastTick.set(arm, event);
    }
  });
  return arm;
}

async function runBlock(arm: Arm, guarded: boolean): Promise<void> {
  const { optimizer, model } = arm;
  const variables = [...model.encoder().values(), ...model.head(task.name).values()];
  // The guard wraps two methods of this one optimiser; without them it is what it was before.
  const { computeGradients, applyGradients } = optimizer;
  if (!guarded) {
    Object.assign(optimizer, {
      computeGradients: tf.Optimizer.prototype.computeGradients,
      applyGradients: tf.AdamOptimizer.prototype.applyGradients,
    });
  }
  const times = guarded ? arm.guarded : arm.plain;
  const before = process.cpuUsage();
  for (let i = 0; i < BLOCK; i++) {
    const { images, labels } = batches[i % batches.length];
    const start = performance.now();
    optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, model.logits(images, task.name)) as tf.Scalar,
      false,
      variables,
    );
    // What the guard does after the step belongs to it.
    await new Promise((resolve) => setImmediate(resolve));
    times.wall.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  times.cpu += (user + system) / 1000;
  Object.assign(optimizer, { computeGradients, applyGradients });
}

/** Four references with task vectors and gradients of a fine-tuned model's size. */
async function references(model: VisionTransformer): Promise<Reference[]> {
  const base = await sharedWeights(model.encoder());
  const found: Reference[] = [];
  for (let r = 0; r < 4; r++) {
    const random = new Random('overhead', r);
    const noise = (deviation: number): NamedTensors =>
      new Map(
        [...base].map(([name, { shape, data }]): [string, HostTensor] => [
          name,
          { shape, data: data.map((value) => value + deviation * random.normal()) },
        ]),
      );
    found.push(
      makeReference({
        name: `reference-${r}`,
        base,
        model: noise(0.01),
        gradient: noise(0.001),
        gradientRecipe: {
          kind: 'calibration',
          batch: 128,
          reduction: 'mean',
          clipped: false,
          accumulated: 1,
          lossScale: 1,
        },
      }),
    );
  }
  setEncoder(model, base);
  return found;
}

function makeBatches(count: number): { images: tf.Tensor3D; labels: tf.Tensor }[] {
  const order = new Random('overhead', 'batches').permutation(sampleCount(task.train));
  return Array.from({ length: count }, (_, i) => {
    const part = pick(task.train, order.subarray(i * BATCH, (i + 1) * BATCH));
    return {
      images: imageTensor(part),
      labels: tf.tidy(() => tf.oneHot(tf.tensor1d(part.labels, 'int32'), task.classes)),
    };
  });
}

function footprint(): { tensors: number; megabytes: number } {
  globalThis.gc?.();
  return { tensors: tf.memory().numTensors, megabytes: Math.round(process.memoryUsage().rss / 2 ** 20) };
}
