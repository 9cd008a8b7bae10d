import type { GroupRow } from '../fingerprint/index.js';
import { applyTau, mergeMethod } from '../merging/index.js';
import type { Reference } from '../reference/index.js';
import type { NamedTensors } from '../tensors/index.js';
import { setEncoder, setHead } from './pool.js';
import { firstSamples, type Task } from './task.js';
import { evaluate } from './train.js';
import type { VisionTransformer } from './vision-transformer.js';

export interface RealGroupOptions {
  readonly base: NamedTensors;
  /** fine-tuned models with a head, and their tasks in the same order */
  readonly references: readonly Reference[];
  readonly tasks: readonly Task[];
  /** indices of the references that are merged with each other */
  readonly groups: readonly (readonly number[])[];
  readonly methods: readonly string[];
  /** test images a task at most; all by default */
  readonly samples?: number;
}

/**
 * Merges every group by every method and evaluates all tasks of the group, each over the accuracy of its own
 * model. Changes the model's weights.
 */
export async function realGroups(
  model: VisionTransformer,
  { base, references, tasks, groups, methods, samples }: RealGroupOptions,
): Promise<GroupRow[]> {
  const accuracyOf = async (index: number) =>
    (await evaluate(model, tasks[index], firstSamples(tasks[index].test, samples))).accuracy;
  const own: number[] = [];
  for (const [index, { head, tau }] of references.entries()) {
    setHead(model, tasks[index], head as NamedTensors);
    setEncoder(model, applyTau(base, tau));
    own.push(await accuracyOf(index));
  }
  const rows: GroupRow[] = [];
  for (const group of groups) {
    const outcomes: Record<string, number> = {};
    for (const method of methods) {
      const taus = group.map((index) => references[index].tau);
      setEncoder(model, applyTau(base, mergeMethod(method).merge(taus, base)));
      let sum = 0;
      for (const index of group) {
        sum += (await accuracyOf(index)) / own[index];
      }
      outcomes[method] = sum / group.length;
    }
    rows.push({ tasks: group.map((index) => tasks[index].name), outcomes });
  }
  return rows;
}
