import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { attach, coverageOf, layoutOf, sharedWeights } from '../../hooks/tfjs/index.js';
import { type Fingerprint, loadFingerprint } from '../fingerprint/index.js';
import { createGuard, type Guard, type GuardConfig, type TickEvent } from '../guard/index.js';
import { MERGE_METHODS } from '../merging/index.js';
import { listProblems, MergeguardError, taskVector } from '../tensors/index.js';
import { DRAWN_TASK_NAMES, drawnPretrainingTasks, drawnTasks } from './drawn-tasks.js';
import { FINE_TUNING, PRETRAINING, preparePool, setEncoder } from './pool.js';
import { type RealMerge, realMerges } from './real-merges.js';
import { pick, type Samples, sampleCount, type Task } from './task.js';
import { readTask, taskNames } from './task-files.js';
import { evaluate, imageTensor, train } from './train.js';
import { VisionTransformer, ZOO_SHAPE } from './vision-transformer.js';

export interface DemoOptions {
  /** folder of task files; null: drawn tasks */
  readonly data: string | null;
  /** live task; null: the first of the defaults */
  readonly task: string | null;
  /** reference tasks; null: the defaults */
  readonly references: readonly string[] | null;
  readonly steps: number;
  /** steps of the base's training; defaults to the zoo's recipe, which the demo's fingerprint was fitted on */
  readonly pretrainSteps?: number;
  /** steps of each reference's training; defaults likewise */
  readonly referenceSteps?: number;
  readonly seed: number;
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

const DEFAULT_TASK = 'curves';
const DEFAULT_REFERENCES = ['glyphs-aster', 'glyphs-birch', 'arrows', 'gratings'];
/** Test images a task in the merges at the end. */
const REAL_SAMPLES = 400;

/** Reads the tasks, opens the guard, says hello. Backend must be open. */
export async function openDemo(options: DemoOptions): Promise<Demo> {
  const { config, seed } = options;
  const names = await chooseTasks(options);
  const live = await loadTask(options, names.live);
  const model = new VisionTransformer(ZOO_SHAPE, seed);
  const fingerprint = config.fingerprint === null ? null : await loadFingerprint(config.fingerprint);
  const run = config.run ?? `demo-${names.live}-seed${seed}`;
  model.addHead(live.name, live.classes, seed);
  const weights = new Map([...model.encoder(), ...model.head(live.name)]);
  const guard = createGuard(
    {
      run,
      backend: tf.getBackend(),
      references: names.references.map((name) => ({ name, limits: [] })),
      coverage: coverageOf(layoutOf(weights)),
    },
    config,
    fingerprint,
  );
  return {
    run,
    guard,
    play: async (signal) => {
      try {
        return await play({ options, guard, run, model, weights, live, names, fingerprint, signal });
      } catch (error) {
        await guard.close('failed', {}, error instanceof Error ? error.message : String(error));
        throw error;
      } finally {
        model.dispose();
      }
    },
  };
}

interface Play {
  options: DemoOptions;
  guard: Guard;
  run: string;
  model: VisionTransformer;
  weights: ReadonlyMap<string, tf.Variable>;
  live: Task;
  names: Names;
  fingerprint: Fingerprint | null;
  signal: AbortSignal | undefined;
}

async function play({
  options,
  guard,
  run,
  model,
  weights,
  live,
  names,
  fingerprint,
  signal,
}: Play): Promise<DemoResult> {
  const { seed, steps, config } = options;
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
    },
    guard: () => guard,
  });
  inputs.dispose();
  let lastTick: TickEvent | null = null;
  const subscription = guard.events.subscribe((event) => {
    lastTick = event.event === 'tick' ? event : lastTick;
  });
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
  let result: DemoResult | null = null;
  await guarded.detach('done', async () => {
    // The final weights have been measured: now the truth.
    const tau = taskVector(pool.base, await sharedWeights(model.encoder()));
    const head = await sharedWeights(model.head(live.name), []);
    const { accuracy } = await evaluate(model, live);
    const methods = fingerprint ? Object.keys(fingerprint.methods) : MERGE_METHODS.map(({ name }) => name);
    const merges = await realMerges(model, {
      base: pool.base,
      live: { task: live, tau, head },
      references: pool.references,
      tasks,
      methods,
      samples: REAL_SAMPLES,
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

/** Puts the last predictions beside the real merges. */
function compare(accuracy: number, merges: readonly RealMerge[], tick: TickEvent | null): DemoResult {
  const outcomes = merges.map(({ reference, method, normalised }): Outcome => {
    const pair = tick?.pairs.find((candidate) => candidate.reference === reference);
    const score = pair?.scores.find((candidate) => candidate.method === method);
    const { value = null, low = null, high = null } = score ?? {};
    const real = Number.isFinite(normalised) ? normalised : null;
    return { reference, method, predicted: value, low, high, real };
  });
  const errors = outcomes.flatMap(({ predicted, real }) =>
    predicted === null || real === null ? [] : [Math.abs(predicted - real)],
  );
  const error = errors.length > 0 ? errors.reduce((sum, value) => sum + value, 0) / errors.length : null;
  return { accuracy, outcomes, error };
}

interface Names {
  readonly live: string;
  readonly references: readonly string[];
  /** every task there is */
  readonly all: readonly string[];
}

/** @throws MergeguardError naming every task that does not exist */
async function chooseTasks({ data, task, references }: DemoOptions): Promise<Names> {
  const all = data === null ? DRAWN_TASK_NAMES : await taskNames(data);
  const live = task ?? (data === null ? DEFAULT_TASK : all[0]);
  const chosen =
    references ?? (data === null ? DEFAULT_REFERENCES : all.filter((name) => name !== live).slice(0, 4));
  const problems: string[] = [];
  const unknown = [...new Set([live, ...chosen])].filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    const named = unknown.map((name) => `"${name}"`).join(', ');
    problems.push(`there is no task ${named}; there are ${all.join(', ')}`);
  }
  if (chosen.length === 0) {
    problems.push('there is no reference to merge with; a folder needs two task files or more');
  }
  if (chosen.includes(live)) {
    problems.push(`"${live}" is the live task and a reference; a model is not merged with its own task`);
  }
  if (new Set(chosen).size < chosen.length) {
    problems.push(`a reference is named twice: ${chosen.join(', ')}`);
  }
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('the demo can not start:', problems));
  }
  return { live, references: chosen, all };
}

/** Stands for the tasks' contents, so that a cached model is of the very images that the folder holds now. */
function digest(tasks: readonly Task[]): string {
  const hash = createHash('sha256');
  for (const { train, calibration, test } of tasks) {
    for (const { images, labels } of [train, calibration, test]) {
      hash.update(images).update(labels);
    }
  }
  return hash.digest('hex');
}

async function loadTask({ data, seed }: DemoOptions, name: string): Promise<Task> {
  return data === null ? drawnTasks(seed, [name])[0] : readTask(data, name, seed);
}

/**
 * What the base is trained on: drawn glyphs of its own, or, from a folder, every task but the live one, and of
 * the references' tasks only the first half of the training images.
 */
async function pretrainingTasks(
  options: DemoOptions,
  names: Names,
  references: readonly Task[],
): Promise<Task[]> {
  if (options.data === null) {
    return drawnPretrainingTasks(options.seed);
  }
  const others = names.all.filter((name) => name !== names.live && !names.references.includes(name));
  const halves = references.map((task) => ({ ...task, train: firstHalf(task.train) }));
  return [...(await Promise.all(others.map((name) => loadTask(options, name)))), ...halves];
}

function firstHalf(samples: Samples): Samples {
  const half = Math.ceil(sampleCount(samples) / 2);
  return pick(
    samples,
    Int32Array.from({ length: half }, (_, i) => i),
  );
}
