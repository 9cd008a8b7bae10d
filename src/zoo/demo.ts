import * as tf from '@tensorflow/tfjs';
import { attach, coverageOf, layoutOf, sharedWeights, streamOf } from '../../hooks/tfjs/index.js';
import { describeBackend } from '../backend/index.js';
import { type Fingerprint, loadFingerprint } from '../fingerprint/index.js';
import { createGuard, type Guard, type GuardConfig, type TickEvent } from '../guard/index.js';
import { MERGE_METHODS } from '../merging/index.js';
import { messageOf } from '../tensors/errors.js';
import { taskVector } from '../tensors/index.js';
import {
  chooseTasks,
  digest,
  loadTask,
  pretrainingTasks,
  type TaskChoice,
  type TaskNames,
} from './demo-tasks.js';
import { imageTensor } from './image-tensor.js';
import { FINE_TUNING, PRETRAINING, preparePool, setEncoder } from './pool.js';
import { type RealMerge, realMerges } from './real-merges.js';
import { firstSamples, type Task } from './task.js';
import { evaluate, train } from './train.js';
import { VisionTransformer, ZOO_SHAPE } from './vision-transformer.js';

/**
 * How the demo steers unless it is told otherwise, and half of the runs that its fingerprint was fitted on were: other terms or
 * parameters make models that the fingerprint does not know.
 */
export const DEMO_STEERING = {
  scale_jitter: { strength: 1, every: 3, form: 'added', chain: true, low: 0.2, high: 0.7 },
} as const;

export interface DemoOptions extends TaskChoice {
  readonly steps: number;
  /** steps of the base's training; defaults to the zoo's recipe, which the demo's fingerprint was fitted on */
  readonly pretrainSteps?: number;
  /** steps of each reference's training; defaults likewise */
  readonly referenceSteps?: number;
  /** of a task, at most, that the models and their merges are evaluated on at the end */
  readonly testImages?: number;
  readonly cache: string | null;
  readonly config: GuardConfig;
}

/** A guarded run before it starts: `hello` is out, nothing is trained yet. */
export interface Demo {
  readonly run: string;
  readonly guard: Guard;
  /**
   * Trains base, references and live model, then merges for real; resolves with the end. Once the signal is
   * aborted it stops after the step or merge under way: the run ends `failed`, and the signal's reason is thrown.
   */
  play(signal?: AbortSignal): Promise<DemoResult>;
}

/** Predicted beside real, for one reference and method. */
export interface Outcome {
  readonly reference: string;
  readonly method: string;
  /** normalised accuracy, fractions; null where the fingerprint gave none */
  readonly predicted: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** the metrics lay inside the fingerprint's domain; true without a prediction */
  readonly inDomain: boolean;
  /** null where one of the two models alone gets nothing right */
  readonly real: number | null;
}

export interface DemoResult {
  /** test accuracy of the live model alone */
  readonly accuracy: number;
  readonly outcomes: readonly Outcome[];
  /** mean absolute error of the predictions, a fraction; null without predictions */
  readonly error: number | null;
}

/** All of a drawn task. */
export const TEST_IMAGES = 400;

/** Reads the tasks, opens the guard, says hello. Backend must be open. */
export async function openDemo(options: DemoOptions): Promise<Demo> {
  const { seed } = options;
  const names = await chooseTasks(options);
  const live = await loadTask(options, names.live);
  const model = new VisionTransformer(ZOO_SHAPE, seed);
  // guard and hook must name the run alike
  const run = options.config.run ?? `demo-${names.live}-seed${seed}`;
  const { fingerprint: named, gradient } = options.config;
  const fingerprint = named === null ? null : await loadFingerprint(named);
  const stream = streamOf(options.config, {
    calibration: { hasActivation: true, dtype: 'float32' },
    fingerprint,
  });
  const config = { ...options.config, run, gradient: { ...gradient, kind: stream.gradientKind } };
  model.addHead(live.name, live.classes, seed);
  const weights = new Map([...model.encoder(), ...model.head(live.name)]);
  const guard = createGuard(
    {
      run,
      backend: tf.getBackend(),
      backendDescription: describeBackend(),
      references: names.references.map((name) => ({ name, limits: [] })),
      coverage: coverageOf(layoutOf(weights)),
      ...stream,
    },
    config,
    fingerprint,
  );
  return {
    run,
    guard,
    play: async (signal) => {
      try {
        return await play({ options, config, guard, run, model, weights, live, names, fingerprint, signal });
      } catch (error) {
        await guard.close('failed', {}, messageOf(error));
        throw error;
      } finally {
        model.dispose();
      }
    },
  };
}

interface Play {
  options: DemoOptions;
  config: GuardConfig;
  guard: Guard;
  run: string;
  model: VisionTransformer;
  weights: ReadonlyMap<string, tf.Variable>;
  live: Task;
  names: TaskNames;
  fingerprint: Fingerprint | null;
  signal: AbortSignal | undefined;
}

async function play({
  options,
  config,
  guard,
  run,
  model,
  weights,
  live,
  names,
  fingerprint,
  signal,
}: Play): Promise<DemoResult> {
  const { seed, steps } = options;
  // Every step and every merge reports here or to the hook: that is where a stop takes effect.
  const progress = (phase: string, done: number, total: number, loss: number | null) => {
    signal?.throwIfAborted();
    if (loss !== null || done === total || done % 10 === 0) {
      guard.publish({
        event: 'progress',
        run,
        time: new Date().toISOString(),
        step: 0,
        phase,
        done,
        total,
        loss,
      });
    }
  };
  const phase = options.data === null ? 'draw tasks' : 'read tasks';
  progress(phase, 0, 1, null);
  const tasks = await Promise.all(names.references.map((name) => loadTask(options, name)));
  const pretraining = await pretrainingTasks(options, names, tasks);
  progress(phase, 1, 1, null);
  const { pretrainSteps = PRETRAINING.steps, referenceSteps = FINE_TUNING.steps } = options;
  const pool = await preparePool({
    pretraining,
    references: tasks,
    seed,
    source: options.data === null ? 'drawn' : digest([...pretraining, ...tasks]),
    cache: options.cache,
    recipes: {
      pretraining: { ...PRETRAINING, steps: pretrainSteps },
      fineTuning: { ...FINE_TUNING, steps: referenceSteps },
    },
    onProgress: progress,
  });
  setEncoder(model, pool.base);
  const optimizer = tf.train.adam(FINE_TUNING.learningRate);
  const inputs = imageTensor(live.calibration);
  const guarded = await attach(optimizer, {
    weights,
    references: pool.references,
    config,
    calibration: {
      inputs,
      labels: live.calibration.labels,
      predict: (images) => model.logits(images as tf.Tensor3D, live.name),
      predictWith: (images, head) => headOf(model.features(images as tf.Tensor3D), head),
      activation: (images) => model.features(images as tf.Tensor3D),
      layer: 'encoder output',
    },
    guard: () => guard,
  });
  inputs.dispose();
  let lastTick: TickEvent | null = null;
  const subscription = guard.events.subscribe((event) => {
    lastTick = event.event === 'tick' ? event : lastTick;
  });
  try {
    await train(
      model,
      [live],
      { ...FINE_TUNING, steps },
      {
        seed: seed + 1,
        optimizer,
        onStep: ({ step, loss }) => {
          signal?.throwIfAborted();
          if (loss !== null) {
            guarded.progress('train', step, steps, loss);
          }
        },
      },
    );
    signal?.throwIfAborted();
  } catch (error) {
    // The end with its reason first; what follows gives the optimiser and the device memory back.
    await guard.close('failed', {}, messageOf(error));
    await guarded.detach('failed');
    optimizer.dispose();
    throw error;
  }
  let result: DemoResult | null = null;
  await guarded.detach('done', async () => {
    // The final weights have been measured: now the truth.
    const tau = taskVector(pool.base, await sharedWeights(model.encoder()));
    const head = await sharedWeights(model.head(live.name), []);
    const { testImages = TEST_IMAGES } = options;
    const { accuracy } = await evaluate(model, live, firstSamples(live.test, testImages));
    const methods = fingerprint ? Object.keys(fingerprint.methods) : MERGE_METHODS.map(({ name }) => name);
    const merges = await realMerges(model, {
      base: pool.base,
      live: { task: live, tau, head },
      references: pool.references,
      tasks,
      methods,
      samples: testImages,
      onMerge: (done, total) => {
        signal?.throwIfAborted();
        guarded.progress('merge for real', done, total);
      },
    });
    result = compare(accuracy, merges, lastTick);
    return { ...result };
  });
  subscription.unsubscribe();
  optimizer.dispose();
  return result as unknown as DemoResult;
}

/** Features [N, width] to logits, by a head with the names of any task. */
function headOf(features: tf.Tensor2D, head: Readonly<Record<string, tf.Tensor>>): tf.Tensor {
  const tensors = Object.values(head);
  const part = (rank: number) => tensors.find((tensor) => tensor.rank === rank) as tf.Tensor;
  return tf.add(tf.matMul(features, part(2) as tf.Tensor2D), part(1));
}

/** Puts the last predictions beside the real merges. */
function compare(accuracy: number, merges: readonly RealMerge[], tick: TickEvent | null): DemoResult {
  const outcomes = merges.map(({ reference, method, normalised }): Outcome => {
    const pair = tick?.pairs.find((candidate) => candidate.reference === reference);
    const score = pair?.scores.find((candidate) => candidate.method === method);
    const { value = null, low = null, high = null, inDomain = true } = score ?? {};
    const real = Number.isFinite(normalised) ? normalised : null;
    return { reference, method, predicted: value, low, high, inDomain, real };
  });
  const errors = outcomes.flatMap(({ predicted, real }) =>
    predicted === null || real === null ? [] : [Math.abs(predicted - real)],
  );
  const error = errors.length > 0 ? errors.reduce((sum, value) => sum + value, 0) / errors.length : null;
  return { accuracy, outcomes, error };
}
