import { randomUUID } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import type { Observable } from 'rxjs';
import { checkLoadedCores, describeBackend } from '../../src/backend/index.js';
import { loadFingerprint } from '../../src/fingerprint/index.js';
import {
  createGuard,
  type EndEvent,
  type Guard,
  type GuardConfigInput,
  type GuardEvent,
  type HelloEvent,
  type RunSetup,
  readOptions,
  resolveConfig,
} from '../../src/guard/index.js';
import { type Reference, referenceLimits } from '../../src/reference/index.js';
import type { LossGradients } from '../../src/steering/index.js';
import { messageOf } from '../../src/tensors/errors.js';
import { listProblems, MergeguardError, type NamedTensors, nearest } from '../../src/tensors/index.js';
import type { CalibrationBatch } from './calibration.js';
import { openInstruments } from './instruments.js';
import { isLayersModel, isWatched, type Layout, type LiveWeights, layoutOf, valuesOf } from './layout.js';
import { checkReferences, heldByAll, loadReferences, subspaceLimits } from './live-references.js';
import { checkAdaptedMatrices, checkLora } from './lora-checks.js';
import { unmetTerms } from './steering/index.js';
import { Tap } from './tap.js';

export interface AttachOptions {
  /**
   * The live model, still at the base's weights (else see `base`): a LayersModel, or variables by name. Kernels stored [in, out]
   * must be named `.../kernel`, as tfjs names them.
   */
  readonly weights: LiveWeights;
  /** reference models: files made by mergeguard, or loaded ones */
  readonly references: readonly (string | Reference)[];
  /**
   * held-out samples of the live task: 128 are plenty, with 8 a probe is worse than none. With them scores become raw accuracies, the
   * self-probe and the functional metrics are measured, and the live model is really merged with every reference that has samples
   * of its own (the merge probe; `limits` in `hello` say which can't be). They must not be trained on: an alert says so
   * where that is seen. Defaults to none
   */
  readonly calibration?: CalibrationBatch;
  /** path of a YAML file, or options; defaults to config/guard.yaml's defaults */
  readonly config?: string | GuardConfigInput;
  /**
   * names, or first parts of names, of task heads, which are left out; defaults to `DEFAULT_HEADS` but for tensors that
   * all references hold, such as an `lm_head` that came with the base
   */
  readonly heads?: readonly string[];
  /**
   * the base's shared tensors by canonical name, as `sharedWeights` gives them, where the live model is no longer at
   * them: training that goes on from a checkpoint. Defaults to the weights at the time of attaching.
   */
  readonly base?: NamedTensors;
  /**
   * of the LoRA adapters among the weights: frozen kernels (`.../kernel`, or `.weight`) with factors A [r, in] and B [out, r] named
   * `.../lora_A` and `.../lora_B`, or as PEFT names them. `scale` is alpha / r; defaults to 1
   */
  readonly lora?: { readonly scale: number };
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
  /** hello, tick, probe, alert, steer, ... end; a late subscriber gets hello, the last tick, the last steer and the last probes */
  readonly events: Observable<GuardEvent>;
  /** optimiser steps seen so far */
  readonly step: number;
  /** puts a `progress` event into the stream */
  progress(phase: string, done: number, total: number, loss?: number | null): void;
  /**
   * For a loop that calls `tf.variableGrads` itself: runs this computation of its gradients with the weights where steering
   * terms of the form `in_place` want them on this step, and puts them back bit for bit before it returns:
   * `const { value, grads } = guard.steered(() => tf.variableGrads(loss))`, then `optimizer.applyGradients(grads)`.
   * Where the gradients there are not finite, it is run once more at the live weights (on webgpu and webgl, which would have to be
   * waited for, the gradients are zeros instead). Terms that add a second evaluation
   * need `optimizer.minimize` or `computeGradients`, and say so in an alert.
   * @param compute synchronous; draws its random numbers from Math.random, if any. May be run twice
   * @returns the loss and the gradients to train with, the caller's to dispose
   * @throws MergeguardError for a promise, for what is no such result, and for an optimiser step taken inside; what
   * `compute` throws. The weights are back then too
   */
  steered(compute: () => LossGradients): LossGradients;
  /**
   * Measures the final weights (all of it, the slow lane for a minute at most; where the status is `failed`, what a tick
   * has), gives the optimiser and the device memory back, then emits `end` with the summary; a function is called when
   * the final weights have been measured. Idempotent.
   */
  detach(status?: EndEvent['status'], summary?: Summary | (() => Promise<Summary>)): Promise<void>;
}

/** By optimiser: the guard at it, also while it is still being attached. */
const attached = new WeakMap<tf.Optimizer, Promise<Attached>>();

/**
 * Attaches a guard to an optimiser. From then on every step that passes it is watched. Attaching to an
 * optimiser that is watched already gives the guard that is there.
 * @throws MergeguardError for a wrong configuration, fingerprint, base, reference or calibration batch, all
 * mismatches of a reference at once, for steering terms that this run can not have, and for a second tfjs-core in the process. Nothing throws after that unless the configuration says `strict`.
 */
export function attach(optimizer: tf.Optimizer, options: AttachOptions): Promise<Attached> {
  const problems = argumentProblems(optimizer, options);
  if (problems.length > 0) {
    return Promise.reject(new MergeguardError(listProblems('attach can not begin:', problems)));
  }
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
  checkLoadedCores();
  const given = typeof options.config === 'string' ? readOptions(options.config) : (options.config ?? {});
  const config = resolveConfig(given);
  const references = await loadReferences(options.references, config.tap.k);
  const held = options.heads === undefined ? heldByAll(references) : undefined;
  const layout = layoutOf(options.weights, options.heads, held, options.lora?.scale);
  checkLora(options.lora, layout);
  const base = options.base ?? (await valuesOf(layout.shared));
  checkReferences(references, layout, base);
  if (options.base) {
    await checkAdaptedMatrices(layout, options.base);
  }
  // A guard that is made elsewhere has its own fingerprint.
  const fingerprint =
    options.guard || config.fingerprint === null ? null : await loadFingerprint(config.fingerprint);
  const instruments = await openInstruments({
    config,
    weights: options.weights,
    layout,
    base,
    hasMoved: options.base !== undefined,
    references,
    batch: options.calibration,
    fingerprint,
  });
  const run = config.run ?? madeUpName();
  let guard: Guard | null = null;
  let tap: Tap;
  try {
    const setup: RunSetup = {
      run,
      backend: tf.getBackend(),
      backendDescription: describeBackend(),
      references: references.map((reference, r) => ({
        name: reference.name,
        limits: [
          ...referenceLimits(reference),
          ...subspaceLimits(reference, layout, config.tap.k),
          ...instruments.placeLimits[r],
          ...listOf(instruments.measurements.merge?.limits.get(reference.name)),
        ],
      })),
      coverage: coverageOf(layout),
      unmet: unmetTerms(instruments.steering),
      ...instruments.stream,
    };
    guard = options.guard ? await options.guard(setup, given) : createGuard(setup, config, fingerprint);
    const isFit = isLayersModel(options.weights);
    tap = new Tap({ run, optimizer, instruments, plainFirst: isFit, guard, config });
  } catch (error) {
    await instruments.close();
    await guard?.close('failed', {}, messageOf(error));
    throw error;
  }
  try {
    await tap.start();
  } catch (error) {
    await tap.dispose();
    await guard.close('failed', {}, messageOf(error));
    throw error;
  }
  return handleOf(run, optimizer, tap, guard);
}

function handleOf(run: string, optimizer: tf.Optimizer, tap: Tap, guard: Guard): Attached {
  let ending: Promise<void> | null = null;
  const finish = async (status: EndEvent['status'], summary: Summary | (() => Promise<Summary>)) => {
    try {
      await tap.stop(status !== 'failed');
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
    steered: (compute) => tap.steered(compute),
    detach(status = 'detached', summary = {}) {
      if (!ending) {
        attached.delete(optimizer);
        ending = finish(status, summary);
      }
      return ending;
    },
  };
}

const OPTIONS: readonly string[] = [
  'weights',
  'references',
  'calibration',
  'config',
  'heads',
  'lora',
  'base',
  'guard',
] satisfies (keyof AttachOptions)[];

/** What a program in plain JavaScript may get wrong, where no compiler says so. */
function argumentProblems(optimizer: unknown, options: unknown): string[] {
  const problems: string[] = [];
  const { computeGradients, applyGradients } = (optimizer ?? {}) as Partial<tf.Optimizer>;
  if (typeof computeGradients !== 'function' || typeof applyGradients !== 'function') {
    problems.push('the optimizer is none: give a tf.Optimizer, such as tf.train.adam() makes');
  }
  if (typeof options !== 'object' || options === null) {
    return [...problems, 'the options are missing: give at least { weights, references }'];
  }
  for (const name of Object.keys(options).filter((key) => !OPTIONS.includes(key))) {
    const meant = nearest(name, OPTIONS);
    problems.push(
      `there is no option "${name}"; ${meant === null ? `known are ${OPTIONS.join(', ')}` : `did you mean ${meant}?`}`,
    );
  }
  const { weights, references } = options as Partial<AttachOptions>;
  if (typeof weights !== 'object' || weights === null) {
    problems.push('`weights` is missing: give a LayersModel, or variables by name');
  }
  if (!Array.isArray(references)) {
    problems.push('`references` must be a list of files or references, which may be empty');
  }
  return problems;
}

/** The time, and what makes two runs of one second different. */
function madeUpName(): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  return `run-${time}-${randomUUID().slice(0, 4)}`;
}

export function coverageOf({ shared, excluded }: Layout): HelloEvent['coverage'] {
  const size = (tensors: Layout['shared']) => tensors.reduce((sum, { variable }) => sum + variable.size, 0);
  const watched = shared.filter(isWatched);
  const frozen = shared.filter((tensor) => !isWatched(tensor));
  return {
    matched: watched.length,
    total: shared.length + excluded.length,
    parameters: size(watched) / size(shared),
    excluded: [...excluded, ...frozen.map(({ name }) => ({ name, reason: 'frozen' }))],
  };
}

function listOf<Value>(value: Value | undefined): Value[] {
  return value === undefined ? [] : [value];
}
