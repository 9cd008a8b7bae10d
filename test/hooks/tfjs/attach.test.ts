import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../hooks/tfjs/index.js';
import { isAsynchronous, openBackend } from '../../../src/backend/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, eventLog, recordingGuard, referencesFor, SmallModel, train } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
let references: Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights);
  return () => model.dispose();
});

const options = () => ({ weights: model.weights, references, config: EVERY_STEP });

describe('a loop of one’s own', () => {
  it('is watched from hello to end', async () => {
    const optimizer = tf.train.adam(0.01);
    references = await referencesFor(model.weights, undefined, undefined, [6]);
    const config = { ...EVERY_STEP, slow: { every: 1 }, mergeProbe: { every: 1 } };
    const guard = await attach(optimizer, { ...options(), config, calibration: model.calibration });
    const log = eventLog(guard);
    await train(model, optimizer, 8);
    guard.progress('train', 8, 8, 0.5);
    await guard.detach('done', { accuracy: 0.9 });
    const names = log.events.map(({ event }) => event);
    expect([names[0], names.at(-1)]).toEqual(['hello', 'end']);
    expect(guard.step).toBe(8);
    // A tick is due once a step has passed since the last one; the last tick is of the final weights.
    expect(log.of('tick').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(log.of('progress')[0]).toMatchObject({ phase: 'train', done: 8, total: 8, loss: 0.5, step: 8 });
    expect(log.of('end')[0]).toMatchObject({ status: 'done', summary: { accuracy: 0.9 } });
    const last = log.of('tick').at(-1)!;
    expect(last.pairs.map(({ reference }) => reference)).toEqual(['one', 'two']);
    for (const { metrics, reasons } of last.pairs) {
      expect(reasons).toEqual({});
      expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
    }
    expect(last.cost).toMatchObject({ every: 1, termMs: null });
    expect(Object.values(last.cost).filter((value) => value === null)).toHaveLength(1);
    expect(last.ages).toEqual({});
    expect(last.dropped).toEqual({ ticks: 0, nonFinite: 0, perturbed: 0 });
    optimizer.dispose();
  });

  it('measures the weights after the steps so far, and averages the gradients', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), heads: ['head', 'hidden.bias'], references: [] });
    const log = eventLog(guard);
    let average = new Float64Array(72);
    const [base] = await model.read();
    for (let step = 0; step < 5; step++) {
      const { value, grads } = optimizer.computeGradients(model.loss, model.variables);
      const gradient = await grads[model.hidden.name].data();
      average = average.map((sum, i) => 0.9 * sum + 0.1 * gradient[i]);
      optimizer.applyGradients(grads);
      tf.dispose([value, grads]);
    }
    await guard.detach();
    const { live } = log.of('tick').at(-1)!;
    const tau = (await model.read())[0].map((weight, i) => weight - base[i]);
    expect(live.tauNorm).toBeCloseTo(Math.hypot(...tau), 5);
    expect(live.gradientNorm).toBeCloseTo(Math.hypot(...average) / (1 - 0.9 ** 5), 5);
  });

  it('may hand over its gradients as a map or as a list, with nulls', async () => {
    const gradients = { hidden: tf.fill([6, 12], 0.5), head: tf.fill([12, 3], 0.25) };
    const run = async (form: (all: tf.NamedTensorMap) => Parameters<tf.Optimizer['applyGradients']>[0]) => {
      const optimizer = tf.train.sgd(0);
      const recording = recordingGuard();
      const guard = await attach(optimizer, { ...options(), guard: recording.guard });
      optimizer.applyGradients(
        form({ [model.hidden.name]: gradients.hidden, [model.head.name]: gradients.head }),
      );
      await guard.detach();
      const { live, pair } = recording.observations.at(-1)!.statistics;
      return [...live, ...pair];
    };
    const nothing = null as unknown as tf.Tensor;
    const asMap = await run((all) => all);
    const withNull = await run((all) => ({ ...all, [model.bias.name]: nothing }));
    const asList = await run((all) => [
      ...Object.entries(all).map(([name, tensor]) => ({ name, tensor })),
      { name: model.bias.name, tensor: nothing },
    ]);
    expect(asMap).toEqual(withNull);
    expect(asMap).toEqual(asList);
    // ‖g‖² of the hidden kernel, of 72 weights.
    expect(asMap.some((value) => Math.abs(value - 72 * 0.25) < 1e-4)).toBe(true);
  });

  it('comes to the same weights, bit by bit, with a guard and without', async () => {
    const run = async (guarded: boolean) => {
      const other = new SmallModel(5);
      const optimizer = tf.train.adam(0.02);
      const guard = guarded
        ? await attach(optimizer, {
            weights: other.weights,
            references: await referencesFor(other.weights),
            calibration: other.calibration,
            config: EVERY_STEP,
          })
        : null;
      await train(other, optimizer, 12);
      await guard?.detach();
      return other.read();
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

describe('attaching and detaching', () => {
  it('attaching twice, also at once, gives the guard that is there; after detaching a new one', async () => {
    const optimizer = tf.train.sgd(0.1);
    const [first, second] = await Promise.all([
      attach(optimizer, options()),
      attach(optimizer, { ...options(), references: [] }),
    ]);
    expect(second).toBe(first);
    expect(await attach(optimizer, options())).toBe(first);
    await train(model, optimizer, 2);
    expect(first.step).toBe(2);
    await Promise.all([first.detach(), first.detach()]);
    await train(model, optimizer, 2);
    expect(first.step).toBe(2);
    references = await referencesFor(model.weights);
    const third = await attach(optimizer, options());
    expect(third).not.toBe(first);
    await first.detach();
    expect(await attach(optimizer, options())).toBe(third);
    await third.detach();
  });

  it('two guards in one process do not collide', async () => {
    const models = [new SmallModel(2), new SmallModel(3)];
    const optimizers = models.map(() => tf.train.adam(0.05));
    const guards = await Promise.all(
      models.map(async ({ weights }, i) =>
        attach(optimizers[i], {
          weights,
          references: await referencesFor(weights, [`reference of ${i}`]),
          config: EVERY_STEP,
        }),
      ),
    );
    const logs = guards.map(eventLog);
    expect(guards[0].run).not.toBe(guards[1].run);
    await train(models[0], optimizers[0], 5);
    await train(models[1], optimizers[1], 3);
    await guards[0].detach();
    await train(models[1], optimizers[1], 4);
    await guards[1].detach();
    expect(guards.map(({ step }) => step)).toEqual([5, 7]);
    logs.forEach((log, i) => {
      expect(log.events.every(({ run }) => run === guards[i].run)).toBe(true);
      expect(log.of('tick').at(-1)!.pairs[0].reference).toBe(`reference of ${i}`);
      expect(log.titles).toEqual([]);
    });
  });

  it('detaching takes our methods off the optimiser', async () => {
    const optimizer = tf.train.sgd(0.1);
    const { computeGradients, applyGradients } = optimizer;
    const guard = await attach(optimizer, options());
    expect(Object.hasOwn(optimizer, 'applyGradients')).toBe(true);
    await guard.detach();
    expect(Object.hasOwn(optimizer, 'computeGradients')).toBe(false);
    expect(Object.hasOwn(optimizer, 'applyGradients')).toBe(false);
    expect(optimizer).toMatchObject({ computeGradients, applyGradients });
  });

  it('a wrapper from before is there again, one put on since stays and works', async () => {
    const optimizer = tf.train.sgd(0.1);
    let [inner, outer] = [0, 0];
    const original = optimizer.applyGradients;
    const before: typeof original = (gradients) => {
      inner += 1;
      original.call(optimizer, gradients);
    };
    optimizer.applyGradients = before;
    const guard = await attach(optimizer, options());
    const ours = optimizer.applyGradients;
    const since: typeof original = (gradients) => {
      outer += 1;
      ours.call(optimizer, gradients);
    };
    optimizer.applyGradients = since;
    await train(model, optimizer, 2);
    await guard.detach();
    expect(optimizer.applyGradients).toBe(since);
    const weights = await model.read();
    await train(model, optimizer, 3);
    expect([guard.step, inner, outer]).toEqual([2, 5, 5]);
    expect(await model.read()).not.toEqual(weights);

    const again = tf.train.sgd(0.1);
    again.applyGradients = before;
    references = await referencesFor(model.weights);
    await (await attach(again, options())).detach();
    expect(again.applyGradients).toBe(before);
  });
});

describe('device memory and reads', () => {
  it('is given back, and does not grow in 200 steps', async () => {
    const optimizer = tf.train.momentum(0.01, 0.9);
    optimizer.minimize(model.loss, false, model.variables);
    references = await referencesFor(model.weights);
    const before = tf.memory().numTensors;
    const config = {
      ...EVERY_STEP,
      steering: { subspace: { strength: 0.01 }, scale_jitter: { strength: 1, form: 'added' } },
    };
    const guard = await attach(optimizer, { ...options(), config, calibration: model.calibration });
    await train(model, optimizer, 20);
    const working = tf.memory().numTensors;
    await train(model, optimizer, 200);
    expect(tf.memory().numTensors).toBe(working);
    await guard.detach();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a tick is one read of the device', async () => {
    const optimizer = tf.train.sgd(0.01);
    const config = { ...EVERY_STEP, overhead: 0 };
    const guard = await attach(optimizer, { ...options(), config, calibration: model.calibration });
    const log = eventLog(guard);
    const backend = tf.backend();
    const { read } = backend;
    let reads = 0;
    backend.read = (id) => {
      reads += 1;
      return read.call(backend, id);
    };
    try {
      await train(model, optimizer, 10);
      await guard.detach();
    } finally {
      backend.read = read;
    }
    expect(log.of('tick')).toHaveLength(10);
    // And one look at the first batch.
    expect(reads).toBe(11);
  });
});

describe('what the guard is told of the run', () => {
  it('the steering terms that it can not follow', async () => {
    const { guard, setups } = recordingGuard();
    const optimizer = tf.train.sgd(0.01);
    const attached = await attach(optimizer, { ...options(), references: [], guard });
    expect(Object.keys(setups[0].unmet ?? {}).sort()).toEqual(['alignment', 'functional', 'subspace']);
    await attached.detach();
    optimizer.dispose();
  });

  it.for([
    ['rare ticks are announced, with what to do', { overhead: 1e-6 }, ['Ticks will be rare']],
    ['ticks at a fixed pace are not', { overhead: 1e-6, tap: { every: 500 } }, []],
    ['nor those that were switched off', { overhead: 0 }, []],
  ] as const)('%s', async ([, config, titles], { skip }) => {
    skip(isAsynchronous(), 'a tick of this model may cost nothing beside the thread');
    const optimizer = tf.train.sgd(0.01);
    const guard = await attach(optimizer, { ...options(), config });
    const log = eventLog(guard);
    await train(model, optimizer, 101);
    expect(log.titles).toEqual(titles);
    for (const alert of log.of('alert')) {
      expect(alert).toMatchObject({ level: 'info', step: 100 });
      expect(alert.text).toMatch(
        /^a tick takes [\d.]+ ms, a step [\d.]+ ms: the ticks' share of overhead 0.000001 pays for one in about \d+/,
      );
      // Ticks have 20 of the 55 parts that go to folds, ticks, spectra and looks, and four fifths of the overhead are planned with.
      const { stepsPerTick, stepMs, tickMs } = alert.evidence as Record<string, number>;
      const planned = tickMs / (1e-6 * 0.8 * (20 / 55) * stepMs);
      // The two times are told to two digits.
      expect(stepsPerTick / planned).toBeGreaterThan(0.88);
      expect(stepsPerTick / planned).toBeLessThan(1.12);
    }
    await guard.detach();
    optimizer.dispose();
  });

  it('the recipe of the gradient', async () => {
    const recording = recordingGuard();
    const config = { ...EVERY_STEP, gradient: { batch: 32, clipped: true, accumulated: 4 } };
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), config, guard: recording.guard });
    await train(model, optimizer, 2);
    await guard.detach();
    expect(recording.observations.at(-1)!.statistics.gradient).toEqual({
      kind: 'ema',
      batch: 32,
      reduction: 'mean',
      clipped: true,
      accumulated: 4,
      lossScale: 1,
    });
    expect(recording.observations.at(-1)!.statistics.referenceGradients[0]?.kind).toBe('calibration');
  });

  it('heads, frozen, tied, integer and running tensors are covered, and excluded for a reason', async () => {
    const weights = {
      ...model.weights,
      'frozen/kernel': tf.variable(tf.ones([6, 12]), false),
      'tied/kernel': model.hidden,
      'bn/moving_mean': tf.variable(tf.zeros([12]), false),
      'steps/count': tf.variable(tf.scalar(3, 'int32')),
    };
    references = await referencesFor(weights);
    const guard = await attach(tf.train.sgd(0.1), { ...options(), weights });
    const log = eventLog(guard);
    await guard.detach();
    const { coverage } = log.of('hello')[0];
    expect(coverage).toMatchObject({ matched: 2, total: 7, parameters: 84 / (84 + 72) });
    expect(Object.fromEntries(coverage.excluded.map(({ name, reason }) => [name, reason]))).toEqual({
      'head.weight': 'task head',
      'tied.weight': 'tied to hidden.weight, counted once',
      'bn.running_mean': 'running statistic, not a parameter',
      'steps.count': 'int32, not a parameter',
      'frozen.weight': 'frozen',
    });
    expect(references[0].tensors.map(({ name }) => name)).toContain('frozen.weight');
  });

  it('the time a run is made up of, where it has no name', async () => {
    const named = await attach(tf.train.sgd(0.1), { ...options(), config: { ...EVERY_STEP, run: 'mine' } });
    expect(named.run).toBe('mine');
    await named.detach();
    const unnamed = await attach(tf.train.sgd(0.1), options());
    expect(unnamed.run).toMatch(/^run-\d{4}-\d\d-\d\dT\d{6}-[0-9a-f]{4}$/);
    await unnamed.detach();
  });
});
