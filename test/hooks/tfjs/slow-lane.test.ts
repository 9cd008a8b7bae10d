import * as tf from '@tensorflow/tfjs';
import { Matrix, SVD } from 'ml-matrix';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AttachOptions, attach, sharedWeights } from '../../../hooks/tfjs/index.js';
import { referenceAbsences } from '../../../hooks/tfjs/reference-sides.js';
import { openBackend } from '../../../src/backend/index.js';
import type { GuardConfigInput } from '../../../src/guard/index.js';
import { PAIR, PAIR_WIDTH, SIDE, SIDE_WIDTH } from '../../../src/metrics/index.js';
import { makeReference, type Reference } from '../../../src/reference/index.js';
import { SpectralPool, spectralParts } from '../../../src/spectral/index.js';
import type { HostTensor, NamedTensors } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, eventLog, recordingGuard, referencesFor, SmallModel, train } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

const SLOW: GuardConfigInput = { ...EVERY_STEP, slow: { every: 1 } };

let model: SmallModel;
let references: Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights);
  return () => model.dispose();
});

const options = (): AttachOptions => ({ weights: model.weights, references, config: SLOW });

/** The slow and obvious way: a whole SVD of each task matrix in float64. */
function obvious(base: NamedTensors, live: NamedTensors, reference: Reference, name: string) {
  const tau = (model: NamedTensors) => {
    const { shape, data } = model.get(name)!;
    return svd({ shape, data: data.map((value, i) => value - base.get(name)!.data[i]) });
  };
  const svd = ({ shape, data }: HostTensor) => {
    const [rows, columns] = shape;
    const { diagonal, rightSingularVectors: v } = new SVD(Matrix.from1DArray(rows, columns, data), {
      autoTranspose: true,
    });
    const n = Math.min(rows, columns);
    const k = Math.min(10, n);
    return { values: diagonal.slice(0, Math.min(n, 100)), bottom: v.subMatrix(0, columns - 1, n - k, n - 1) };
  };
  const [a, b] = [tau(live), svd(reference.tau.get(name)!)];
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return {
    spectrum: dot(a.values, b.values) / Math.sqrt(dot(a.values, a.values) * dot(b.values, b.values)),
    rightBottom: a.bottom.transpose().mmul(b.bottom).norm('frobenius') ** 2,
  };
}

describe('spectra and bottom subspaces', () => {
  it.each([
    ['tall', [9, 14]],
    ['wide', [14, 9]],
    ['square', [12, 12]],
    ['a single row', [7, 1]],
  ] as const)('are what a whole SVD gives, of every reference: %s', async (_, shape) => {
    const variables = {
      // Once as tfjs stores it, once as PyTorch does: both have their own base.
      'turned/kernel': tf.variable(tf.randomNormal([...shape], 0, 1, 'float32', 1)),
      'plain.weight': tf.variable(tf.randomNormal([...shape], 0, 1, 'float32', 2)),
      bias: tf.variable(tf.zeros([3])),
    };
    const base = await sharedWeights(variables);
    references = await referencesFor(variables);
    const recording = recordingGuard();
    const guard = await attach(tf.train.sgd(1), { ...options(), weights: variables, guard: recording.guard });
    for (const [seed, variable] of Object.values(variables).entries()) {
      variable.assign(tf.add(variable, tf.randomNormal(variable.shape, 0, 0.1, 'float32', 10 + seed)));
    }
    const live = await sharedWeights(variables);
    await guard.detach();
    const { tensors, pair, live: sides, measuredAt, absent } = recording.observations.at(-1)!.statistics;
    expect([measuredAt, absent.bottom, absent.spectra]).toEqual([{}, undefined, undefined]);
    tensors.forEach(({ name, shape: [rows, columns = 0] }, t) => {
      references.forEach((reference, r) => {
        const cell = pair.subarray((r * tensors.length + t) * PAIR_WIDTH);
        if (columns === 0) {
          expect([cell[PAIR.spectrum], cell[PAIR.rightBottom]]).toEqual([Number.NaN, Number.NaN]);
          return;
        }
        const expected = obvious(base, live, reference, name);
        expect(sides[t * SIDE_WIDTH + SIDE.bottomK]).toBe(Math.min(10, rows, columns));
        expect(Math.abs(cell[PAIR.spectrum] / expected.spectrum - 1)).toBeLessThan(1e-5);
        expect(Math.abs(cell[PAIR.rightBottom] / expected.rightBottom - 1)).toBeLessThan(1e-5);
      });
    });
    tf.dispose(Object.values(variables));
  });

  it('of a matrix that the live model has not moved are left out; of one without full rank the bottom', async () => {
    const weights = {
      'still/kernel': tf.variable(tf.ones([5, 6])),
      'low/kernel': tf.variable(tf.zeros([6, 5])),
      'full/kernel': tf.variable(tf.zeros([4, 4])),
    };
    references = await referencesFor(weights);
    const guard = await attach(tf.train.sgd(1), { ...options(), weights });
    const log = eventLog(guard);
    weights['low/kernel'].assign(tf.matMul(tf.range(1, 7).reshape([6, 1]), tf.range(1, 6).reshape([1, 5])));
    weights['full/kernel'].assign(tf.randomNormal([4, 4], 0, 1, 'float32', 3));
    await guard.detach();
    const [{ metrics, reasons }] = log.of('tick').at(-1)!.pairs;
    expect(reasons.right_subspace_overlap_bottom_k).toBeUndefined();
    // k is all there is of the one that is left.
    expect(metrics.right_subspace_overlap_bottom_k).toBeCloseTo(1, 6);
    expect(metrics.singular_value_overlap).toBeGreaterThan(0);
    tf.dispose(Object.values(weights));
  });

  it('are not there before the first sweep, which the ticks say, then carried forward with their age', async () => {
    const thread = gatedThread();
    const weights = { ...model.weights, 'second/kernel': tf.variable(tf.ones([5, 4])) };
    references = await referencesFor(weights);
    const optimizer = tf.train.sgd(0.1);
    const config = { ...SLOW, slow: { every: 6 } };
    const guard = await attach(optimizer, { ...options(), weights, config });
    const log = eventLog(guard);
    const toStep = async (step: number) => {
      while (guard.step <= step) {
        weights['second/kernel'].assign(tf.randomNormal([5, 4], 0, 1, 'float32', guard.step));
        await train(model, optimizer, 1);
      }
      const { ages, pairs } = log.of('tick').at(-1)!;
      return { age: ages.singular_value_overlap, reason: pairs[0].reasons.singular_value_overlap };
    };
    const unmeasured = (count: number) => ({
      age: undefined,
      reason: `the singular values are not measured yet (${count} of 2 matrices)`,
    });
    expect(await toStep(5)).toEqual(unmeasured(0));
    // The sweep begins at step 6 and waits for the thread.
    expect(await toStep(9)).toEqual(unmeasured(0));
    await thread.release();
    // The second matrix is of step 10, and done before step 12.
    expect(await toStep(11)).toEqual(unmeasured(1));
    await thread.release();
    // Now the next sweep is due: its first matrix leaves the second one's as the oldest.
    expect(await toStep(12)).toEqual({ age: 6, reason: undefined });
    await thread.release();
    expect(await toStep(14)).toEqual({ age: 4, reason: undefined });
    thread.open();
    await guard.detach();
    const last = log.of('tick').at(-1)!;
    expect(last.ages).toEqual({});
    expect(last.pairs[0].metrics.singular_value_overlap).not.toBeNull();
    weights['second/kernel'].dispose();
    thread.restore();
  });

  it.each([
    ['the others count', true],
    ['of the only one there is none, and why', false],
  ])('a matrix that moved after it was measured is left out until the next time: %s', async (_, hasOther) => {
    const thread = gatedThread();
    thread.open();
    const late = tf.variable(tf.zeros([5, 4]));
    const weights = { ...(hasOther && { 'hidden/kernel': model.hidden }), 'late/kernel': late };
    references = await referencesFor(weights);
    const optimizer = tf.train.sgd(0.1);
    const config = { ...SLOW, slow: { every: 5 } };
    const guard = await attach(optimizer, { ...options(), weights, config });
    const log = eventLog(guard);
    const now = () => log.of('tick').at(-1)!.pairs[0];
    // Both were measured at steps 5 and 6.
    await train(model, optimizer, 8);
    late.assign(tf.randomNormal([5, 4], 0, 1, 'float32', 3));
    await train(model, optimizer, 1);
    const { metrics, reasons } = now();
    const reason = hasOther
      ? undefined
      : 'late.weight had not moved from the base when its singular values were last measured';
    for (const name of ['singular_value_overlap', 'right_subspace_overlap_bottom_k']) {
      expect([metrics[name] !== null, reasons[name]]).toEqual([hasOther, reason]);
    }
    await guard.detach();
    expect(now().metrics.singular_value_overlap).not.toBeNull();
    expect(now().metrics.singular_value_overlap).not.toBe(metrics.singular_value_overlap);
    late.dispose();
    thread.restore();
  });

  it('a reference that stores no bottom subspaces says so: those of an older version', async () => {
    const [older, present] = references;
    references = [{ ...older, bottoms: new Map() }, present];
    const guard = await attach(tf.train.sgd(0.1), options());
    const log = eventLog(guard);
    model.hidden.assign(tf.randomNormal([6, 12], 0, 1, 'float32', 3));
    await guard.detach();
    const [one, other] = log.of('tick').at(-1)!.pairs;
    expect(one.reasons.right_subspace_overlap_bottom_k).toBe(
      'reference one stores no bottom subspaces, as those made by an older version do; make it again',
    );
    expect(one.metrics.singular_value_overlap).not.toBeNull();
    expect(other.metrics.right_subspace_overlap_bottom_k).not.toBeNull();
  });

  it('a reference of dense matrices of low rank has none to store', () => {
    const base = new Map([['w', { shape: [5, 6], data: new Float32Array(30) }]]);
    const outer = Float32Array.from({ length: 30 }, (_, i) => (1 + Math.floor(i / 6)) * (1 + (i % 6)));
    const low = makeReference({ name: 'low', base, model: new Map([['w', { shape: [5, 6], data: outer }]]) });
    expect([low.subspaces.size, low.bottoms.size]).toEqual([1, 0]);
    expect(referenceAbsences(low)).toEqual({});
  });

  it('are not measured where they are switched off, and the ticks say so', async () => {
    const started = vi.spyOn(SpectralPool.prototype, 'parts');
    const config = { ...EVERY_STEP, slow: { enabled: false } };
    const guard = await attach(tf.train.sgd(0.1), { ...options(), config });
    const log = eventLog(guard);
    await guard.detach();
    const [{ reasons }] = log.of('tick').at(-1)!.pairs;
    expect(reasons.singular_value_overlap).toBe('it is switched off (slow.enabled)');
    expect(started).not.toHaveBeenCalled();
    started.mockRestore();
  });

  it('keep no step waiting, and never more than one matrix under way', async () => {
    let [underWay, most] = [0, 0];
    const { parts } = SpectralPool.prototype;
    const spy = vi.spyOn(SpectralPool.prototype, 'parts').mockImplementation(async function (
      this: SpectralPool,
      ...given
    ) {
      underWay += 1;
      most = Math.max(most, underWay);
      try {
        return await parts.apply(this, given);
      } finally {
        underWay -= 1;
      }
    });
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    for (let step = 0; step < 30; step++) {
      // No await: the steps go on while the thread works.
      optimizer.minimize(model.loss, false, model.variables);
    }
    expect(guard.step).toBe(30);
    await guard.detach();
    expect(most).toBe(1);
    spy.mockRestore();
  });
});

describe('a slow lane that fails', () => {
  it('is told, and switched off after three failures in a row; the training and the ticks go on', async () => {
    const spy = vi.spyOn(SpectralPool.prototype, 'parts').mockRejectedValue(new Error('the thread broke'));
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    await train(model, optimizer, 12);
    await guard.detach();
    expect(log.titles).toEqual([
      'The slow lane (spectra) failed; training goes on',
      'The slow lane (spectra) is switched off',
    ]);
    expect(log.of('tick').at(-1)).toMatchObject({ step: 12 });
    expect(log.of('tick').at(-1)!.pairs[0].metrics.subspace_overlap).not.toBeNull();
    expect(spy).toHaveBeenCalledTimes(3);
    spy.mockRestore();
  });

  it('is thrown into the training with `strict`', async () => {
    const spy = vi.spyOn(SpectralPool.prototype, 'parts').mockRejectedValue(new Error('the thread broke'));
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), config: { ...SLOW, strict: true } });
    await expect(train(model, optimizer, 5)).rejects.toThrow('the thread broke');
    await guard.detach('failed');
    spy.mockRestore();
  });

  it('that never answers is cut off when detaching, which is told', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const spy = vi.spyOn(SpectralPool.prototype, 'parts').mockReturnValue(new Promise(() => {}));
    const guard = await attach(tf.train.sgd(0.1), options());
    const log = eventLog(guard);
    const detaching = guard.detach();
    await vi.waitFor(() => expect(spy).toHaveBeenCalled());
    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();
    await detaching;
    expect(log.titles).toEqual(['The last measurement of spectra was cut off']);
    expect(log.of('alert')[0].text).toContain('0 of 1 pieces are of the final weights');
    expect(log.of('end')).toHaveLength(1);
    spy.mockRestore();
  });
});

/** A thread whose next answer comes when it is let go. */
function gatedThread() {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  const spy = vi.spyOn(SpectralPool.prototype, 'parts').mockImplementation(async (matrix, how) => {
    if (!isOpen) {
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return spectralParts(matrix, how);
  });
  return {
    /** lets the answer out, which is taken in before it returns */
    async release() {
      waiting.shift()!();
      await tf.nextFrame();
    },
    open() {
      isOpen = true;
      waiting.forEach((resolve) => void resolve());
    },
    restore: () => spy.mockRestore(),
  };
}
