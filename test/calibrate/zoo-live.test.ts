import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attach } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import { FEATURES, type Fingerprint, loadFingerprint } from '../../src/fingerprint/index.js';
import type { TickEvent } from '../../src/guard/index.js';
import { type Reference, writeReference } from '../../src/reference/index.js';
import { writeSafetensors } from '../../src/tensors/index.js';
import { imageTensor } from '../../src/zoo/image-tensor.js';
import { loadPoolTask, type Pool, preparePool } from '../../src/zoo/index.js';
import { setEncoder, setHead } from '../../src/zoo/pool.js';
import { train } from '../../src/zoo/train.js';
import { VisionTransformer } from '../../src/zoo/vision-transformer.js';
import { run } from '../cli/program.js';
import { barTask, writeTaskFolder } from '../zoo/small-tasks.js';

const LIVE = 'poles-turned';
const TASKS = ['bars', 'bars-turned', 'lines', 'lines-turned', 'poles', 'poles-inverted', LIVE];
const SHAPE = { width: 16, depth: 1, heads: 4 };
const RECIPE = { batch: 8, learningRate: 2e-3, steps: 8 };

let folder: string;
let pool: Pool;

const task = (name: string) => loadPoolTask({ data: join(folder, 'tasks'), seed: 3 }, name);

beforeAll(async () => {
  await openBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-zoo-live-'));
  await mkdir(join(folder, 'models'));
  await mkdir(join(folder, 'tasks'));
  await writeTaskFolder(join(folder, 'tasks'));
  pool = await preparePool({
    pretraining: [barTask('bars', 2)],
    references: await Promise.all(TASKS.map(task)),
    seed: 0,
    source: 'test',
    cache: null,
    recipes: { shape: SHAPE, pretraining: RECIPE, fineTuning: RECIPE },
  });
  await writeSafetensors(join(folder, 'base.safetensors'), pool.base);
});
afterAll(() => rm(folder, { recursive: true }));

/** Calibrates a pool of these with the real program. */
async function calibrated(
  name: string,
  references: readonly Reference[],
  tasks: Record<string, string> = {},
) {
  const models = [];
  for (const [at, reference] of references.entries()) {
    const path = join(folder, 'models', `${name}-${at}.safetensors`);
    await writeReference(path, reference);
    models.push({ name: reference.name, path, task: tasks[reference.name] });
  }
  const settings = {
    base: 'base.safetensors',
    models,
    methods: ['weight_avg'],
    selfProbe: false,
    evaluate: { zoo: { data: 'tasks', seed: 3 } },
  };
  await writeFile(join(folder, `${name}.yaml`), JSON.stringify(settings));
  const out = join(folder, `${name}.json`);
  const ran = await run('calibrate', '--pool', join(folder, `${name}.yaml`), '--out', out, '--quick');
  return { ...ran, out };
}

function variantsOf({ methods }: Fingerprint): string[] {
  return methods.weight_avg!.variants.map(({ name }) => name);
}

describe('a fingerprint of a zoo pool', () => {
  it('scores a live zoo model against the references of the pool', { timeout: 60_000 }, async () => {
    const references = pool.references.filter(({ name }) => name !== LIVE);
    const { code, err, out } = await calibrated('whole', references);
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(err).toMatch(/^ {2}100 %: 15 of 15 pairs measured by a guard$/m);
    const fingerprint = await loadFingerprint(out);
    expect(fingerprint.gradientKinds).toEqual({ live: 'calibration', reference: 'calibration' });
    expect(variantsOf(fingerprint)).toContain('weights+slow+gradients+functional');

    const live = await task(LIVE);
    const model = new VisionTransformer(SHAPE, 0);
    setEncoder(model, pool.base);
    setHead(model, live, pool.references.find(({ name }) => name === LIVE)!.head!);
    const optimizer = tf.train.adam(RECIPE.learningRate);
    const guard = await attach(optimizer, {
      weights: new Map([...model.encoder(), ...model.head(LIVE)]),
      references,
      config: { fingerprint: out },
      calibration: {
        inputs: imageTensor(live.calibration),
        labels: live.calibration.labels,
        predict: (images) => model.logits(images as tf.Tensor3D, LIVE),
        activation: (images) => model.features(images as tf.Tensor3D),
      },
    });
    const ticks: TickEvent[] = [];
    const limits: string[] = [];
    guard.events.subscribe((event) => {
      if (event.event === 'tick') ticks.push(event);
      if (event.event === 'hello') limits.push(...event.fingerprintLimits);
    });
    await train(model, [live], RECIPE, { seed: 1, optimizer });
    await guard.detach();
    model.dispose();
    expect(limits).toEqual([]);
    const { pairs } = ticks.at(-1)!;
    expect(pairs.map(({ reference }) => reference)).toEqual(references.map(({ name }) => name));
    for (const { metrics, reasons, scores } of pairs) {
      // So short a run may not have found all of the leading directions, which is a reason.
      const unknown = FEATURES.filter((name) => (metrics[name] ?? null) === null);
      expect(unknown.filter((name) => !/subspace_overlap|overlap_top_k/.test(name))).toEqual([]);
      expect(Object.keys(reasons).sort()).toEqual(unknown.sort());
      const score = { method: 'weight_avg', value: expect.any(Number), low: expect.any(Number) };
      expect(scores).toEqual([expect.objectContaining(score)]);
    }
  });

  it('does without the metrics that its models can not give, and says why', { timeout: 60_000 }, async () => {
    const [first, ...others] = pool.references.filter(({ name }) => name !== LIVE);
    const running = {
      ...first!,
      name: 'running',
      gradientRecipe: { ...first!.gradientRecipe!, kind: 'ema' as const },
    };
    const mute = { ...first!, gradient: null, gradientRecipe: null, calibration: null, inputGradient: null };
    const references = [...others.slice(1), mute, running];
    const { code, err, out } = await calibrated('odd', references, { running: first!.name });
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(err).toContain('note: bars, running are of one task, bars: ');
    expect(err).toMatch(
      /^note: encoder_gradient_\w+, .* of .* are not known: the gradient of reference running is of the kind ema, .* calibration$/m,
    );
    expect(err).toMatch(
      /^note: encoder_gradient_\w+, .* of .* are not known: reference bars has no stored gradient$/m,
    );
    expect(err).toMatch(
      /^note: activation_\w+, .* are not known: reference "bars" has no stored calibration samples$/m,
    );
    expect(err).toContain('note: column encoder_gradient_dot_product is empty in 9 of 15 rows: ');
    expect(variantsOf(await loadFingerprint(out))).toContain('weights+slow');
  });

  it('refuses a head that is for another task, before anything is measured', async () => {
    const [first, ...others] = pool.references.filter(({ name }) => name !== LIVE);
    const misnamed = { ...first!, name: 'misnamed' };
    const { code, err } = await calibrated('misnamed', [misnamed, ...others], { misnamed: 'lines' });
    expect(code).toBe(1);
    expect(err).toMatch(
      /misnamed: the head of misnamed does not fit the task lines; give the model the task that it was trained on: head\.lines\.weight is .* here, missing there; /,
    );
    expect(err).not.toContain('evaluations of models alone');
  });
});
