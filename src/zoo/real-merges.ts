import { applyTau, mergeMethod } from '../merging/index.js';
import type { Reference } from '../reference/index.js';
import type { NamedTensors } from '../tensors/index.js';
import { setEncoder, setHead } from './pool.js';
import { firstSamples, type Task } from './task.js';
import { evaluate } from './train.js';
import type { VisionTransformer } from './vision-transformer.js';

/** A merge that was really made and evaluated on test images. */
export interface RealMerge {
  readonly reference: string;
  readonly method: string;
  /** accuracy of the merged model on the two tasks, fractions */
  readonly accuracy: { readonly live: number; readonly reference: number };
  /** each over the accuracy of the task's own fine-tuned model, averaged; not finite where that is zero */
  readonly normalised: number;
}

export interface RealMergeOptions {
  readonly base: NamedTensors;
  readonly live: { readonly task: Task; readonly tau: NamedTensors; readonly head: NamedTensors };
  /** references with a head, and their tasks in the same order */
  readonly references: readonly Reference[];
  readonly tasks: readonly Task[];
  readonly methods: readonly string[];
  /** test images a task at most; all by default */
  readonly samples?: number;
  readonly onMerge?: (done: number, total: number) => void;
}

/** Merges the live model with every reference by every method and evaluates both tasks. Changes the model's weights. */
export async function realMerges(model: VisionTransformer, options: RealMergeOptions): Promise<RealMerge[]> {
  const { base, live, references, tasks, methods } = options;
  const test = (task: Task) => firstSamples(task.test, options.samples);
  const accuracyOf = async (task: Task) => (await evaluate(model, task, test(task))).accuracy;
  setHead(model, live.task, live.head);
  setEncoder(model, applyTau(base, live.tau));
  const liveAccuracy = await accuracyOf(live.task);
  const merges: RealMerge[] = [];
  for (const [index, reference] of references.entries()) {
    const task = tasks[index];
    setHead(model, task, reference.head as NamedTensors);
    setEncoder(model, applyTau(base, reference.tau));
    const referenceAccuracy = await accuracyOf(task);
    for (const method of methods) {
      setEncoder(model, applyTau(base, mergeMethod(method).merge([live.tau, reference.tau], base)));
      const accuracy = { live: await accuracyOf(live.task), reference: await accuracyOf(task) };
      const normalised = (accuracy.live / liveAccuracy + accuracy.reference / referenceAccuracy) / 2;
      merges.push({ reference: reference.name, method, accuracy, normalised });
      options.onMerge?.(merges.length, references.length * methods.length);
    }
    model.removeHead(task.name);
  }
  return merges;
}
