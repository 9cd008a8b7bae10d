import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { attach, sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import {
  describeFingerprint,
  featureSets,
  fitFingerprint,
  type GroupRow,
  type TableRow,
  writeFingerprint,
} from '../../src/fingerprint/index.js';
import { type GuardConfigInput, type TickEvent, VERSION } from '../../src/guard/index.js';
import { metricNames } from '../../src/metrics/index.js';
import { type NamedTensors, Random, taskVector } from '../../src/tensors/index.js';
import { DEMO_STEERING } from '../../src/zoo/demo.js';
import { drawnPretrainingTasks, drawnTasks } from '../../src/zoo/drawn-tasks.js';
import { imageTensor } from '../../src/zoo/image-tensor.js';
import { FINE_TUNING, preparePool, setEncoder } from '../../src/zoo/pool.js';
import { realGroups } from '../../src/zoo/real-groups.js';
import { realMerges } from '../../src/zoo/real-merges.js';
import { train } from '../../src/zoo/train.js';
import { VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';

/**
 * Fits config/fingerprints/demo.json on a pool of the demo's own models: `npm run fit:demo`. Every drawn task is
 * fine-tuned under the tap as the demo does it, half of the runs with scale_jitter; at three checkpoints the
 * metrics are taken and the merges with four references really made and evaluated. The demo's default seed (0) is
 * not among the seeds, so that what the demo shows is a prediction. The references are also merged in
 * groups, for what the demo says of all of them at once. Tables are cached in .mergeguard;
 * `-- SEED` makes one seed's table only, so that two seeds can be made at the same time.
 */
const SEEDS = [1, 2];
const CHECKPOINTS = [40, 120, 300];
const REFERENCES_EACH = 4;
const METHODS = ['weight_avg', 'task_arithmetic', 'ties'];
const CACHE = '.mergeguard';
const TEST_SAMPLES = 300;
const GROUP_SIZES = [3, 4, 5];
const GROUPS_EACH = 14;
const GROUP_SAMPLES = 200;

const asked = process.argv.slice(2).map(Number);
await openBackend('wasm');
for (const seed of asked.length > 0 ? asked : SEEDS) {
  if (!existsSync(tablePath(seed))) {
    writeFileSync(tablePath(seed), JSON.stringify(await makeTable(seed)));
  }
  if (!existsSync(groupsPath(seed))) {
    writeFileSync(groupsPath(seed), JSON.stringify(await makeGroups(seed)));
  }
}
if (asked.length === 0) {
  await fitTables();
}

function tablePath(seed: number): string {
  return `${CACHE}/demo-table-seed${seed}.json`;
}

function groupsPath(seed: number): string {
  return `${CACHE}/demo-groups-seed${seed}.json`;
}

async function openPool(seed: number) {
  const tasks = drawnTasks(seed);
  const pool = await preparePool({
    pretraining: drawnPretrainingTasks(seed),
    references: tasks,
    seed,
    source: 'drawn',
    cache: CACHE,
  });
  return { tasks, pool };
}

async function makeGroups(seed: number): Promise<GroupRow[]> {
  const { tasks, pool } = await openPool(seed);
  const random = new Random('sets', seed);
  const groups = GROUP_SIZES.flatMap((size) =>
    Array.from({ length: GROUPS_EACH }, () => [...random.permutation(tasks.length)].slice(0, size).sort()),
  );
  const model = new VisionTransformer(ZOO_SHAPE, seed);
  const rows = await realGroups(model, {
    ...pool,
    tasks,
    groups,
    methods: METHODS,
    samples: GROUP_SAMPLES,
  });
  model.dispose();
  return rows;
}

async function makeTable(seed: number): Promise<TableRow[]> {
  const { tasks, pool } = await openPool(seed);
  const rows: TableRow[] = [];
  for (const [index, task] of tasks.entries()) {
    const others = Array.from({ length: REFERENCES_EACH }, (_, i) => (index + 1 + i) % tasks.length);
    const references = others.map((other) => pool.references[other]);
    const steered = (index + seed) % 2 === 0;
    const config: GuardConfigInput = {
      fingerprint: null,
      seed,
      tap: { every: 20, foldStride: 4 },
      selfProbe: { every: 20, samples: 128 },
      steering: steered ? DEMO_STEERING : {},
    };
    const model = new VisionTransformer(ZOO_SHAPE, seed);
    setEncoder(model, pool.base);
    model.addHead(task.name, task.classes, seed);
    const optimizer = tf.train.adam(FINE_TUNING.learningRate);
    const guard = await attach(optimizer, {
      weights: new Map([...model.encoder(), ...model.head(task.name)]),
      references,
      config,
      calibration: {
        inputs: imageTensor(task.calibration),
        labels: task.calibration.labels,
        predict: (images) => model.logits(images as tf.Tensor3D, task.name),
      },
    });
    const ticks = new Map<number, TickEvent>();
    guard.events.subscribe((event) => {
      if (event.event === 'tick') {
        ticks.set(event.step, event);
      }
    });
    const kept: { step: number; encoder: Promise<NamedTensors>; head: Promise<NamedTensors> }[] = [];
    await train(
      model,
      [task],
      { ...FINE_TUNING, steps: Math.max(...CHECKPOINTS) },
      {
        seed: seed + 1,
        optimizer,
        onStep: ({ step }) => {
          if (CHECKPOINTS.includes(step)) {
            kept.push({
              step,
              encoder: sharedWeights(model.encoder()),
              head: sharedWeights(model.head(task.name), []),
            });
          }
        },
      },
    );
    await guard.detach('done');
    for (const { step, encoder, head } of kept) {
      const tick = ticks.get(step) as TickEvent;
      const merges = await realMerges(model, {
        base: pool.base,
        live: { task, tau: taskVector(pool.base, await encoder), head: await head },
        references,
        tasks: others.map((other) => tasks[other]),
        methods: METHODS,
        samples: TEST_SAMPLES,
      });
      for (const pair of tick.pairs) {
        const outcomes = merges.filter(({ reference }) => reference === pair.reference);
        rows.push({
          taskA: task.name,
          taskB: pair.reference,
          checkpoint: `seed ${seed}, step ${step}`,
          metrics: pair.metrics,
          outcomes: Object.fromEntries(
            outcomes.map(({ method, normalised }) => [method, Math.min(normalised, 1.2)]),
          ),
          selfProbe: tick.selfProbe
            ? tick.selfProbe.scaledAccuracy / Math.max(tick.selfProbe.accuracy, 1e-6)
            : null,
        });
      }
      const mean = merges.reduce((sum, { normalised }) => sum + normalised, 0) / merges.length;
      console.log(
        `seed ${seed} ${task.name}${steered ? ' (steered)' : ''} step ${step}: mean of the merges ${(100 * mean).toFixed(1)} %`,
      );
    }
    optimizer.dispose();
    model.dispose();
  }
  return rows;
}

async function fitTables(): Promise<void> {
  const rows = SEEDS.flatMap((seed) => JSON.parse(readFileSync(tablePath(seed), 'utf8')) as TableRow[]);
  const groups = SEEDS.flatMap((seed) => JSON.parse(readFileSync(groupsPath(seed), 'utf8')) as GroupRow[]);
  let last = 0;
  const fingerprint = await fitFingerprint(rows, {
    name: 'demo',
    target: 'normalized_acc',
    methods: METHODS,
    groups,
    featureSets: featureSets('weights+gradients', metricNames) ?? {},
    gradientKind: 'ema',
    referenceGradientKind: 'calibration',
    provenance: {
      architecture: `zoo vision transformer, width ${ZOO_SHAPE.width}, depth ${ZOO_SHAPE.depth}`,
      optimiser: `Adam, learning rate ${FINE_TUNING.learningRate}, batch ${FINE_TUNING.batch}`,
      source: `drawn tasks, seeds ${SEEDS.join(' and ')}, checkpoints ${CHECKPOINTS.join(', ')}, mergeguard ${VERSION}, config/fingerprints/fit-demo.ts`,
    },
    onProgress: ({ done, total }) => {
      if (done * 20 >= last * total) {
        last += 1;
        console.log(`${done} of ${total} fits`);
      }
    },
  });
  await writeFingerprint(new URL('demo.json', import.meta.url).pathname, fingerprint);
  console.log(describeFingerprint(fingerprint).join('\n'));
}
