import type * as tf from '@tensorflow/tfjs';
import { type Attached, attach } from '../../hooks/tfjs/index.js';
import { createGuard, type GuardConfigInput, resolveConfig } from '../guard/index.js';
import type { Reference } from '../reference/index.js';
import { TERMS } from '../steering/index.js';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { imageTensor } from './image-tensor.js';
import type { Task } from './task.js';
import type { VisionTransformer } from './vision-transformer.js';

/** A term at work; parameters that are left out have their defaults. */
export interface SteeredTerm {
  readonly term: string;
  readonly strength: number;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** How a fine-tuning is steered. */
export interface Steering {
  /** none: plain training, and no hook is attached */
  readonly terms: readonly SteeredTerm[];
  /** defaults to none */
  readonly references?: readonly Reference[];
}

/** Steps between what can't be turned off. */
const NEVER = 1_000_000_000;

/**
 * Nothing is measured: what is left of a step's time beside training is the terms'. A term that fails ends the training: a guard
 * leaves it out and goes on, and the model would pass for one that was steered.
 */
const ONLY_STEERING: GuardConfigInput = {
  strict: true,
  fingerprint: null,
  overhead: 0,
  gradient: { kind: 'ema' },
  tap: { every: NEVER, foldStride: NEVER },
  selfProbe: { enabled: false },
  mergeProbe: { enabled: false },
  slow: { enabled: false },
  functional: { enabled: false },
};

/** Titles of what the hook says when a term does not act, or not on all its steps. */
const REFUSED: readonly RegExp[] = [
  /^A steering term can not be followed/,
  /^Steering terms can not be followed/,
  /^A steering term does nothing/,
  /^The term \S+ failed/,
  /^The term \S+ is switched off/,
];

/** Whether a warning of the hook, title first, says that a model was not steered as it was to be. */
export function saysNotSteered(warning: string): boolean {
  return REFUSED.some((title) => title.test(warning));
}

export interface SteeringHook {
  /** what the hook had to say of the terms so far, a sentence each */
  readonly warnings: readonly string[];
  /** After the training. @throws MergeguardError where a term did not act */
  check(): void;
  close(): Promise<void>;
}

/**
 * Attaches the hook to an optimiser, with nothing but steering on, beside a model that is at the base and has the task's head. Without
 * terms nothing is attached.
 * @throws MergeguardError for an unknown term or parameter, a strength out of range, references that do not fit
 */
export async function attachSteering(
  optimizer: tf.Optimizer,
  model: VisionTransformer,
  task: Task,
  { terms, references = [] }: Steering,
  seed: number,
): Promise<SteeringHook> {
  if (terms.length === 0) {
    return { warnings: [], check: () => {}, close: async () => {} };
  }
  const warnings: string[] = [];
  const names = terms.map(({ term }) => term);
  const needsActivations = TERMS.some(
    ({ name, needs }) => names.includes(name) && needs.includes('activations'),
  );
  const inputs = needsActivations ? imageTensor(task.calibration) : null;
  let attached: Attached;
  try {
    attached = await attach(optimizer, {
      weights: new Map([...model.encoder(), ...model.head(task.name)]),
      references,
      calibration: inputs
        ? {
            inputs,
            labels: task.calibration.labels,
            predict: (images) => model.logits(images as tf.Tensor3D, task.name),
            activation: (images) => model.features(images as tf.Tensor3D),
            layer: 'encoder output',
          }
        : undefined,
      config: { ...ONLY_STEERING, run: `steered-${task.name}`, seed, steering: steeringConfig(terms) },
      // What the hook has to say of terms it says while it attaches: too early for `attached.events`.
      guard: (setup, options) => {
        const guard = createGuard(setup, resolveConfig(options), null);
        guard.events.subscribe((event) => {
          if (event.event === 'alert' && event.state === 'raised') {
            warnings.push(`${event.title}: ${event.text}`);
          }
        });
        return guard;
      },
    });
  } finally {
    inputs?.dispose();
  }
  return {
    warnings,
    check: () => {
      const refused = warnings.filter(saysNotSteered);
      if (refused.length > 0) {
        throw new MergeguardError(listProblems(`${task.name} was not trained as it was to be:`, refused));
      }
    },
    close: () => attached.detach('done'),
  };
}

function steeringConfig(terms: readonly SteeredTerm[]): GuardConfigInput['steering'] {
  return Object.fromEntries(
    terms.map(({ term, strength, parameters }) => [term, { ...parameters, strength }]),
  );
}
