import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../../../hooks/tfjs/index.js';
import { type SharedTensor, valuesOf, variablesOf } from '../../../../hooks/tfjs/layout.js';
import { liveTau } from '../../../../hooks/tfjs/live-tau.js';
import { type MergeResult, PairProbe } from '../../../../hooks/tfjs/merge-probe/pair-probe.js';
import { openReferenceTask, type ReferenceTask } from '../../../../hooks/tfjs/merge-probe/probed-task.js';
import { TaskSamples } from '../../../../hooks/tfjs/merge-probe/task-samples.js';
import { groupsOf, type TensorToRead } from '../../../../hooks/tfjs/merge-probe/tensor-groups.js';
import { openCalibration } from '../../../../hooks/tfjs/open-calibration.js';
import { openBackend } from '../../../../src/backend/index.js';
import { MergePool, mergeMethod } from '../../../../src/merging/index.js';
import { elementCount } from '../../../../src/tensors/index.js';
import { chosen } from '../../../backend/chosen.js';
import { SmallModel } from '../guarded-loop.js';
import {
  calibrationOf,
  heldOut,
  numbersByHand,
  predictWith,
  probedByHand,
  probedReferences,
  weightsOf,
} from '../probed-loop.js';

const pool = new MergePool({ threads: 1 });
afterAll(() => pool.close());

/** A pair of the small model and a reference, its tensors merged in groups of this many values. */
async function pairOf(id: string, size: number) {
  const model = new SmallModel();
  const { weights } = model;
  const samples = heldOut(7, 50);
  const [reference] = await probedReferences(model, { names: ['one'] });
  const base = weightsOf(model);
  const { shared, heads } = layoutOf(weights);
  const tensors = shared.map((tensor) => ({
    tensor,
    tau: liveTau(tensor, () => tensor.variable.clone()),
  }));
  const calibration = await openCalibration(
    { ...calibrationOf(model, samples), predictWith: predictWith(model) },
    weights,
    50,
  );
  const probed = { variables: variablesOf(weights), nonTrainable: [], shared, heads, calibration };
  const values = await valuesOf(shared);
  const task = (await openReferenceTask(reference, probed, { base: values, most: 40 })) as ReferenceTask;
  const results: MergeResult[] = [];
  const pair = new PairProbe({
    model: probed,
    live: {
      samples: new TaskSamples(calibration.first(50), await calibration.classNumbers(50), 'logits'),
      head: { predict: (inputs) => calibration.scores(inputs), instead: new Map() },
    },
    reference: task,
    merge: mergeMethod(id),
    groups: groupsOf(tensors, size),
    pool,
    others: [1.3, 0.5],
    onResult: (result) => results.push(result),
  });
  return { model, pair, results, base, reference, samples };
}

describe.each([chosen, 'cpu'] as const)('a pair on %s', (backend) => {
  beforeAll(() => openBackend(backend));

  it.each(['weight_avg', 'ties', 'slerp', 'tsv'])(
    'merged by %s is the same in one piece and tensor by tensor, whatever is trained meanwhile',
    async (id) => {
      for (const size of [1, 1000]) {
        const { model, pair, results, base, reference, samples } = await pairOf(id, size);
        const move = (by: number) =>
          tf.tidy(() => {
            for (const variable of model.variables) {
              variable.assign(tf.add(variable, tf.randomNormal(variable.shape, 0, by, 'float32', 3)));
            }
          });
        move(0.2);
        const live = weightsOf(model);
        for (let step = 17; pair.left > 0; step++) {
          (await pair.begin(step))();
          move(0.5);
        }
        const of = { live: samples, reference: heldOut(100, 40) };
        const expected = numbersByHand(probedByHand(live, base, reference, id, of));
        expect(results).toHaveLength(1);
        expect(results[0]).toMatchObject({ reference: 'one', method: id, step: 17 });
        expect(results[0].accuracy).toBeCloseTo(expected.accuracy, 12);
        expect(results[0].normalised).toBeCloseTo(expected.normalised, 12);
        expect(results[0].loss).toBeCloseTo(expected.loss, 4);
        const found = [1, 1.3, 0.5].map((coefficient) => ({
          coefficient,
          ...numbersByHand(probedByHand(live, base, reference, id, of, coefficient)),
        }));
        const best = found.toSorted((a, b) => a.loss - b.loss)[0];
        expect(results[0].best!.coefficient).toBe(best.coefficient);
        expect(results[0].best!.accuracy).toBeCloseTo(best.accuracy, 12);
        expect(results[0].best!.loss).toBeCloseTo(best.loss, 4);
        pair.dispose();
        model.dispose();
      }
    },
  );
});

describe('groups of tensors', () => {
  it('hold all of them in order, no more values than the size but for single tensors, and no fewer than fit', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 20 }), (counts, size) => {
        const entries = counts.map((count, i) => ({
          tensor: { name: String(i), shape: [count] } as unknown as SharedTensor,
          tau: null,
        }));
        const groups = groupsOf(entries, size);
        expect(groups.flat()).toEqual(entries);
        const total = (group: readonly TensorToRead[]) =>
          group.reduce((sum, { tensor }) => sum + elementCount(tensor.shape), 0);
        groups.forEach((group, g) => {
          expect(group.length > 0 && (group.length === 1 || total(group) <= size)).toBe(true);
          const next = groups[g + 1];
          expect(next === undefined || total(group) + total([next[0]]) > size).toBe(true);
        });
      }),
      { seed: 4 },
    );
  });
});
