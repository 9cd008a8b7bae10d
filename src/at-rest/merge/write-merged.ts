import { combine } from '../../merging/index.js';
import { elementCount, type TensorPlace, writeSafetensorsParts } from '../../tensors/index.js';
import { mapWithin } from '../../threads/index.js';
import type { ModelAtRest } from '../model.js';
import type { NamedCheckpoint } from '../named-checkpoint.js';
import type { SharedTensor } from '../shared-tensors.js';
import { addToBase } from './encode-merged.js';
import type { MergePlan } from './merge-plan.js';
import type { MergeRule, MethodRule } from './merge-rule.js';
import { type MergedDtype, MergedOutput, placesOf } from './merged-output.js';
import { readStretch, tensorToMerge } from './read-stretch.js';
import { type Stretch, stretchesOf } from './stretches.js';
import { sumStretch } from './sum-stretch.js';
import { surveyFiles } from './survey.js';

export interface Merging {
  readonly base: NamedCheckpoint;
  readonly models: readonly ModelAtRest[];
  readonly plan: MergePlan;
  readonly rule: MergeRule;
  /** `done` of `total` merged parameters, a survey's passes over them included */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the merged model, every tensor of the base under its own name in the file: surveys first, then stretch by stretch, several
 * at a time within a budget of memory.
 * @param merging its dtype is that of every tensor of floats; null: each as in the base
 */
export async function writeMerged(
  path: string,
  merging: Merging & { readonly dtype: MergedDtype | null },
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const { base, models, plan, rule, dtype, signal } = merging;
  const names = namesOf(plan);
  const places = placesOf(base, dtype);
  const eachStretch = await surveyed(merging);
  await writeSafetensorsParts(path, places, metadata, async (file) => {
    const output = new MergedOutput(file, places, base);
    await eachStretch(async (stretch, known) => {
      const { tensor } = stretch;
      const called = names.get(tensor.name)!;
      if (isUnchanged(tensor, models)) {
        await Promise.all(called.map((name) => output.copy({ ...stretch, tensor: { ...tensor, name } })));
      } else if ('combination' in rule) {
        await sumStretch(stretch, called, { base, models, rule }, output);
      } else {
        await mergeStretch(stretch, called, { base, models, rule }, known, output);
      }
    });
    for (const { name } of plan.copied) {
      for (const stretch of stretchesOf({ name, shape: base.info(name).shape }, true)) {
        signal?.throwIfAborted();
        await output.copy(stretch);
      }
    }
    // Before the file gets its name.
    signal?.throwIfAborted();
  });
}

/**
 * Writes the merged task vector alone, in float32 and under canonical names; without the tensors that no model changes. The rule's
 * scale has no part in it.
 */
export async function writeMergedTau(path: string, merging: Merging): Promise<void> {
  const { base, models, plan, rule, signal } = merging;
  const changed = plan.merged.filter((tensor) => !isUnchanged(tensor, models));
  const places = new Map(
    changed.map(({ name, shape }): [string, TensorPlace] => [name, { dtype: 'F32', shape }]),
  );
  const eachStretch = await surveyed(merging);
  await writeSafetensorsParts(path, places, {}, async (file) => {
    await eachStretch(async (stretch, known) => {
      const { tensor, range } = stretch;
      if (!isUnchanged(tensor, models)) {
        const withBase = 'needsBase' in rule && rule.needsBase;
        const values = await readStretch(stretch, base, models, withBase);
        const merged =
          'combination' in rule
            ? combine(values.taus, rule.combination)
            : await rule.merge(tensorToMerge(stretch, values), known);
        await file.write(tensor.name, merged, range.start);
      }
    });
    signal?.throwIfAborted();
  });
}

/** Whether the tensor is as it is in the base, by the way the models are stored. */
function isUnchanged({ name }: SharedTensor, models: readonly ModelAtRest[]): boolean {
  return models.every((model) => model.form(name) === 'zero');
}

/** Lets the rule see all tensors. What is then done with each stretch is told what it has found. */
async function surveyed(
  merging: Merging,
): Promise<(work: (stretch: Stretch, known: unknown) => Promise<void>) => Promise<void>> {
  const { base, models, plan, rule, signal } = merging;
  const { survey, isDivisible, workspace, memory } = rule;
  const onStretch = progressOf(merging);
  const stretches = plan.merged.flatMap((tensor) => stretchesOf(tensor, isDivisible));
  const needsBase = 'needsBase' in rule && rule.needsBase;
  const known =
    survey === null
      ? null
      : await surveyFiles(survey, { base, models, stretches, needsBase, onStretch, signal });
  const bytes = ({ range }: Stretch) => 4 * range.count * (models.length + 1 + workspace);
  return async (work) => {
    await mapWithin(stretches, { budget: memory, weight: bytes }, async (stretch) => {
      signal?.throwIfAborted();
      await work(stretch, known);
      onStretch(stretch);
    });
  };
}

/** Merged tensor -> the names that its values are written under. */
function namesOf({ merged, tied }: MergePlan): Map<string, string[]> {
  const names = new Map(merged.map(({ name }) => [name, [name]]));
  for (const [name, first] of tied) {
    names.get(first)!.push(name);
  }
  return names;
}

async function mergeStretch(
  stretch: Stretch,
  names: readonly string[],
  { base, models, rule }: { base: NamedCheckpoint; models: readonly ModelAtRest[]; rule: MethodRule },
  known: unknown,
  output: MergedOutput,
): Promise<void> {
  const values = await readStretch(stretch, base, models, true);
  const from = values.base!;
  // What the rule is given may be taken to a thread: the base is needed once more.
  const merged = await rule.merge(
    tensorToMerge(stretch, { ...values, base: rule.needsBase ? from.slice() : null }),
    known,
  );
  for (const name of names) {
    const dtype = output.dtype(name);
    // Written before the next one overwrites it.
    const own = names.length === 1 ? merged : merged.slice();
    await output.write(name, addToBase(from, own, rule.scale, dtype, name), stretch.range.start);
  }
}

/** Tells how much of all passes is done, as parameters of one. */
function progressOf({ plan, rule, onProgress }: Merging): (stretch: Stretch) => void {
  const total = plan.merged.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const passes = 1 + (rule.survey?.passes ?? 0);
  let done = 0;
  return ({ range }) => {
    done += range.count;
    onProgress?.(done / passes, total);
  };
}
