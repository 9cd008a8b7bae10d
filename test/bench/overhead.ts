import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { type Attached, attach, sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import { makeReference, type Reference } from '../../src/reference/index.js';
import { type HostTensor, type NamedTensors, Random } from '../../src/tensors/index.js';
import { drawnTasks } from '../../src/zoo/drawn-tasks.js';
import { setEncoder } from '../../src/zoo/pool.js';
import { pick, sampleCount } from '../../src/zoo/task.js';
import { imageTensor } from '../../src/zoo/train.js';
import { VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';

/**
 * What does the guard cost? Step time of the demo's transformer with the guard over without it, the arms
 * interleaved in blocks within one run, 4 references, 128 calibration samples, default cadence (a budget of 2 %) and budgets of
 * 1 % and 5 %; and whether tensors or memory grow. `npm run bench:overhead [-- STEPS]`, 1,000 steps an arm by default.
 * Both the plain and the guarded arms use the same kernels.
 */
const STEPS = Number(process.argv[2] ?? 1000);
const BLOCK = 25;
const BATCH = 32;
const BUDGETS = [0.01, 0.02, 0.05];

interface Arm {
  readonly name: string;
  readonly budget: number | null;
  readonly model: VisionTransformer;
  readonly optimizer: tf.Optimizer;
  readonly guard: Attached | null;
  readonly stepMs: number[];
}

const backend = await openBackend('wasm');
console.log(`${backend.description}, node ${process.version}, ${cpus().length} cores (${cpus()[0].model})`);
const [task] = drawnTasks(0, ['curves']);
const calibration = imageTensor(task.calibration);
const batches = makeBatches(8);
const ticks = new Map<Arm, number>();
const arms: Arm[] = [await openArm('plain', null)];
for (const budget of BUDGETS) {
  arms.push(await openArm(`guard, budget ${100 * budget} %`, budget));
}
console.log(
  `${arms[0].model.encoder().size} tensors, 4 references, batch ${BATCH}, ${STEPS} steps an arm in blocks of ${BLOCK}\n`,
);

let memory: { tensors: number; megabytes: number } | null = null;
for (let done = 0; done < STEPS; done += BLOCK) {
  // Another order in each round: what follows what does not favour an arm.
  const first = (done / BLOCK) % arms.length;
  for (const arm of [...arms.slice(first), ...arms.slice(0, first)]) {
    await runBlock(arm);
  }
  if (done + BLOCK === 10 * BLOCK) {
    memory = footprint();
  }
}

const total = (arm: Arm) => arm.stepMs.reduce((sum, ms) => sum + ms, 0);
const plain = total(arms[0]);
console.log('arm                     ms a step   over plain   may be   ticks');
for (const arm of arms) {
  const ratio = total(arm) / plain;
  const most = arm.budget === null ? '' : (1 + arm.budget * (4 / 3)).toFixed(4);
  console.log(
    `${arm.name.padEnd(22)} ${(total(arm) / STEPS).toFixed(2).padStart(9)} ${ratio.toFixed(4).padStart(12)} ${most.padStart(8)} ${String(ticks.get(arm) ?? '').padStart(7)}`,
  );
}
const after = footprint();
if (memory) {
  console.log(
    `\ntensors ${memory.tensors} -> ${after.tensors}, resident ${memory.megabytes} -> ${after.megabytes} MB over the last ${STEPS - 10 * BLOCK} steps of every arm`,
  );
}
for (const arm of arms) {
  await arm.guard?.detach();
}

async function openArm(name: string, budget: number | null): Promise<Arm> {
  const model = new VisionTransformer(ZOO_SHAPE, 0);
  model.addHead(task.name, task.classes, 0);
  const optimizer = tf.train.adam(5e-4);
  const weights = new Map([...model.encoder(), ...model.head(task.name)]);
  const guard =
    budget === null
      ? null
      : await attach(optimizer, {
          weights,
          references: await references(model),
          config: { overhead: budget },
          calibration: {
            inputs: calibration,
            labels: task.calibration.labels,
            predict: (images) => model.logits(images as tf.Tensor3D, task.name),
          },
        });
  const arm: Arm = { name, budget, model, optimizer, guard, stepMs: [] };
  guard?.events.subscribe((event) => {
    if (event.event === 'tick') {
      ticks.set(arm, (ticks.get(arm) ?? 0) + 1);
    }
  });
  return arm;
}

async function runBlock(arm: Arm): Promise<void> {
  const variables = [...arm.model.encoder().values(), ...arm.model.head(task.name).values()];
  for (let i = 0; i < BLOCK; i++) {
    const { images, labels } = batches[i % batches.length];
    const start = performance.now();
    arm.optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, arm.model.logits(images, task.name)) as tf.Scalar,
      false,
      variables,
    );
    // What the guard does after the step belongs to it.
    await new Promise((resolve) => setImmediate(resolve));
    arm.stepMs.push(performance.now() - start);
  }
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
