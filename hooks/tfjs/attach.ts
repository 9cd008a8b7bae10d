import { randomUUID } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import type { Observable } from 'rxjs';
import { loadFingerprint } from '../../src/fingerprint/index.js';
import {
  createGuard,
  type EndEvent,
  type Guard,
  type GuardConfig,
  type GuardConfigInput,
  type GuardEvent,
  type HelloEvent,
  type RunSetup,
  readOptions,
  resolveConfig,
} from '../../src/guard/index.js';
import { checkReference, type Reference, readReference, referenceLimits } from '../../src/reference/index.js';
import type { SteeredTensor } from '../../src/steering/index.js';
import { messageOf } from '../../src/tensors/errors.js';
import {
  baseIdentity,
  compareTensors,
  MergeguardError,
  type NamedTensors,
  Random,
  shapesOf,
} from '../../src/tensors/index.js';
import { isLayersModel, type Layout, type LiveWeights, layoutOf, nonTrainable, valuesOf } from './layout.js';
import { makeProber } from './make-prober.js';
import type { CalibrationBatch, SelfProber } from './self-probe.js';
import { DeviceStatistics } from './statistics.js';
import { Tap } from './tap.js';

export interface AttachOptions {
  /**
   * The live model, still at the base's weights (else see `base`): a LayersModel, or variables by name. Kernels stored [in, out]
   * must be named `.../kernel`, as tfjs names them.
   */
  readonly weights: LiveWeights;
  /** reference models: files made by mergeguard, or loaded ones */
  readonly references: readonly (string | Reference)[];
  /** held-out samples of the live task, for the self-probe and raw accuracies; defaults to none */
  readonly calibration?: CalibrationBatch;
  /** path of a YAML file, or options; defaults to config/guard.yaml's defaults */
  readonly config?: string | GuardConfigInput;
  /** names, or first parts of names, of task heads, which are left out; defaults to `DEFAULT_HEADS` */
  readonly heads?: readonly string[];
  /**
   * the base's shared tensors by canonical name, as `sharedWeights` gives them, where the live model is no longer at
   * them: training that goes on from a checkpoint. Defaults to the weights at the time of attaching.
   */
  readonly base?: NamedTensors;
  /**
   * makes the guard from what the run is and the options that were given (no defaults filled in); defaults to one in
   * this process, see `connectGuard` for one elsewhere
   */
  readonly guard?: (setup: RunSetup, options: GuardConfigInput) => Guard | Promise<Guard>;
}

/** What a run's `end` event carries beside its status. */
export type Summary = Record<string, unknown>;

/** A guard at work beside a training run. */
export interface Attached {
  readonly run: string;
  /** hello, tick, alert, steer, ... end; a late subscriber gets hello, the last tick and the last steer */
  readonly events: Observable<GuardEvent>;
  /** optimiser steps seen so far */
  readonly step: number;
  /** puts a `progress` event into the stream */
  progress(phase: string, done: number, total: number, loss?: number | null): void;
  /**
   * Measures the final weights, gives the optimiser and the device memory back, then emits `end` with the
   * summary; a function is called when the final weights have been measured. Idempotent.
   */
  detach(status?: EndEvent['status'], summary?: Summary | (() => Promise<Summary>)): Promise<void>;
}

/** By optimiser: the guard at it, also while it is still being attached. */
const attached = new WeakMap<tf.Optimizer, Promise<Attached>>();

/**
 * Attaches a guard to an optimiser. From then on every step that passes it is watched. Attaching to an
 * optimiser that is watched already gives the guard that is there.
 * @throws MergeguardError for a wrong configuration, fingerprint, base, reference or calibration batch, all
 * mismatches of a reference at once. Nothing throws after that unless the configuration says `strict`.
 */
export function attach(optimizer: tf.Optimizer, options: AttachOptions): Promise<Attached> {
  const present = attached.get(optimizer);
  if (present) {
    return present;
  }
  const attaching = start(optimizer, options);
  attached.set(optimizer, attaching);
  attaching.catch(() => attached.delete(optimizer));
  return attaching;
}

async function start(optimizer: tf.Optimizer, options: AttachOptions): Promise<Attached> {
  const given = typeof options.config === 'string' ? readOptions(options.config) : (options.config ?? {});
  const config = resolveConfig(given);
  const layout = layoutOf(options.weights, options.heads);
  const base = options.base ?? (await valuesOf(layout.shared));
  const references = await loadReferences(options.references, layout, base);
  const watched = layout.shared.filter(({ trainable }) => trainable);
  if (watched.length === 0) {
    throw new MergeguardError('every shared tensor of the live model is frozen: there is nothing to watch');
  }
  const run = config.run ?? madeUpName();
  const setup: RunSetup = {
    run,
    backend: tf.getBackend(),
    references: references.map((reference) => ({
      name: reference.name,
      limits: [...referenceLimits(reference), ...subspaceLimits(reference, config.tap.k)],
    })),
    coverage: coverageOf(layout),
  };
  const statistics = new DeviceStatistics(watched, references, {
    k: config.tap.k,
    powerIterations: config.tap.powerIterations,
    gradientDecay: config.tap.gradientDecay,
    recipe: { kind: 'ema', ...config.gradient },
    base: options.base,
  });
  const tensors: SteeredTensor[] = watched.map(({ name, variable, permutation }, index) => ({
    name,
    variable,
    transposed: permutation !== null,
    base: () => statistics.base(index),
  }));
  let prober: SelfProber | null = null;
  let guard: Guard;
  try {
    prober = await makeProber(options.calibration, options.weights, tensors, config.selfProbe);
    guard = options.guard ? await options.guard(setup, given) : await localGuard(setup, config);
  } catch (error) {
    prober?.dispose();
    statistics.dispose();
    throw error;
  }
  const steering = {
    context: {
      tensors,
      rightSubspaces: references.map(({ subspaces }) => rightSides(subspaces)),
      random: new Random('steering', config.seed),
    },
    nonTrainable: nonTrainable(options.weights),
    plainFirst: isLayersModel(options.weights),
  };
  const tap = new Tap({ run, optimizer, statistics, prober, steering, guard, config });
  try {
    await tap.start();
  } catch (error) {
    tap.dispose();
    await guard.close('failed', {}, messageOf(error));
    throw error;
  }
  return handleOf(run, optimizer, tap, guard);
}

function handleOf(run: string, optimizer: tf.Optimizer, tap: Tap, guard: Guard): Attached {
  let ending: Promise<void> | null = null;
  const finish = async (status: EndEvent['status'], summary: Summary | (() => Promise<Summary>)) => {
    try {
      await tap.stop();
      await guard.close(status, typeof summary === 'function' ? await summary() : summary);
    } catch (error) {
      await guard.close('failed', {}, messageOf(error));
      throw error;
    }
  };
  return {
    run,
    events: guard.events,
    get step() {
      return tap.step;
    },
    progress(phase, done, total, loss = null) {
      const time = new Date().toISOString();
      guard.publish({ event: 'progress', run, time, step: tap.step, phase, done, total, loss });
    },
    detach(status = 'detached', summary = {}) {
      if (!ending) {
        attached.delete(optimizer);
        ending = finish(status, summary);
      }
      return ending;
    },
  };
}

/** The time, and what makes two runs of one second different. */
function madeUpName(): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  return `run-${time}-${randomUUID().slice(0, 4)}`;
}

async function localGuard(setup: RunSetup, config: GuardConfig): Promise<Guard> {
  return createGuard(
    setup,
    config,
    config.fingerprint === null ? null : await loadFingerprint(config.fingerprint),
  );
}

async function loadReferences(
  given: AttachOptions['references'],
  layout: Layout,
  base: NamedTensors,
): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const reference of given) {
    references.push(typeof reference === 'string' ? await readReference(reference) : reference);
  }
  const names = references.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new MergeguardError(`two references are named "${twice}"; give each its own name`);
  }
  const shapes = new Map(layout.shared.map(({ name, shape }) => [name, shape]));
  compareTensors(shapes, shapesOf(base), { what: 'the base' });
  if (references.length > 0) {
    const live = { baseHash: baseIdentity(base), shapes };
    for (const reference of references) {
      checkReference(reference, live);
    }
  }
  return references;
}

export function coverageOf({ shared, excluded }: Layout): HelloEvent['coverage'] {
  const size = (tensors: Layout['shared']) => tensors.reduce((sum, { variable }) => sum + variable.size, 0);
  const watched = shared.filter(({ trainable }) => trainable);
  const frozen = shared.filter(({ trainable }) => !trainable);
  return {
    matched: watched.length,
    total: shared.length + excluded.length,
    parameters: size(watched) / size(shared),
    excluded: [...excluded, ...frozen.map(({ name }) => ({ name, reason: 'frozen' }))],
  };
}

/** Subspaces of different width do not compare. */
function subspaceLimits({ subspaces, tau }: Reference, k: number): string[] {
  const narrow = [...subspaces].filter(([name, subspace]) => {
    const shape = tau.get(name)?.shape ?? [];
    return subspace.k !== Math.min(k, ...shape);
  });
  if (narrow.length === 0) {
    return [];
  }
  const [name, subspace] = narrow[0];
  return [
    `the subspaces of ${narrow.length} matrices have another width than tap.k = ${k} asks for (${name}: ${subspace.k}): subspace metrics are null; make the reference again with k = ${k}, or set tap.k`,
  ];
}

function rightSides(subspaces: Reference['subspaces']) {
  return new Map([...subspaces].map(([name, { right }]) => [name, right]));
}
