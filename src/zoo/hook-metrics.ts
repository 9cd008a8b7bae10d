import * as tf from '@tensorflow/tfjs';
import { attach } from '../../hooks/tfjs/index.js';
import type { GuardConfigInput, TickEvent } from '../guard/index.js';
import type { Reference } from '../reference/index.js';
import { listProblems, MergeguardError, type NamedTensors } from '../tensors/index.js';
import { imageTensor } from './image-tensor.js';
import { setEncoder, setHead } from './pool.js';
import type { Task } from './task.js';
import { transformerShape, VisionTransformer } from './vision-transformer.js';

/** A zoo model at the end of its training. */
export interface FinishedModel {
  readonly task: Task;
  /** by canonical name, as `preparePool` gives the base */
  readonly encoder: NamedTensors;
  /** the task's head, as a reference holds it */
  readonly head: NamedTensors;
}

/** All metrics of a pair by name, and why those are null that are. */
export type HookMetrics = Pick<TickEvent['pairs'][number], 'metrics' | 'reasons'>;

/** What a guard of a finished model is asked for: metrics, nothing else. */
const CONFIG: GuardConfigInput = {
  fingerprint: null,
  gradient: { kind: 'calibration' },
  selfProbe: { enabled: false },
};

/**
 * The 28 metrics of a finished model with references of other names than one another: a guard stands beside the model and measures
 * once, as at the end of its training, all of it. Gradients and functions are taken on the task's calibration samples. Needs an open
 * backend.
 *
 * @param base the encoder that all were fine-tuned from
 * @returns in the order of the references
 * @throws MergeguardError where base, model and references do not belong together
 */
export async function hookMetrics(
  base: NamedTensors,
  { task, encoder, head }: FinishedModel,
  references: readonly Reference[],
): Promise<HookMetrics[]> {
  const model = new VisionTransformer(transformerShape(base), 0);
  const optimizer = tf.train.sgd(0);
  const inputs = imageTensor(task.calibration);
  try {
    setEncoder(model, encoder);
    setHead(model, task, head);
    const guard = await attach(optimizer, {
      weights: new Map([...model.encoder(), ...model.head(task.name)]),
      base,
      references,
      config: CONFIG,
      calibration: {
        inputs,
        labels: task.calibration.labels,
        predict: (images) => model.logits(images as tf.Tensor3D, task.name),
        activation: (images) => model.features(images as tf.Tensor3D),
        layer: 'encoder output',
      },
    });
    const ticks: TickEvent[] = [];
    guard.events.subscribe((event) => {
      if (event.event === 'tick') {
        ticks.push(event);
      }
    });
    await guard.detach('done');
    return metricsIn(ticks.at(-1), task.name, references);
  } finally {
    inputs.dispose();
    optimizer.dispose();
    model.dispose();
  }
}

/** @throws MergeguardError where a reference or a reason is missing */
function metricsIn(
  tick: TickEvent | undefined,
  live: string,
  references: readonly Reference[],
): HookMetrics[] {
  const problems: string[] = [];
  const found = references.flatMap(({ name }) => {
    const pair = tick?.pairs.find(({ reference }) => reference === name);
    if (pair === undefined) {
      problems.push(`the guard said nothing of ${name}`);
      return [];
    }
    const { metrics, reasons } = pair;
    const unexplained = Object.keys(metrics).filter(
      (metric) => metrics[metric] === null && reasons[metric] === undefined,
    );
    problems.push(...unexplained.map((metric) => `${metric} with ${name} is null without a reason`));
    return [{ metrics, reasons }];
  });
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`the metrics of ${live} were not measured:`, problems));
  }
  return found;
}
