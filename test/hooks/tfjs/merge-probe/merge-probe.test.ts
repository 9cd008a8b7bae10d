import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import { eventSchema, type ProbeEvent } from '../../../../src/guard/index.js';
import { MERGE_METHODS } from '../../../../src/merging/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import { chosen } from '../../../backend/chosen.js';
import { eventLog, SmallModel, train } from '../guarded-loop.js';
import {
  calibrationOf,
  type HeldOut,
  heldOut,
  lastProbes,
  numbersByHand,
  PROBED,
  predictWith,
  probedByHand,
  probedReferences,
  weightsOf,
} from '../probed-loop.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
let references: Reference[];
let samples: HeldOut;
let calibration: ReturnType<typeof calibrationOf>;
beforeEach(async () => {
  model = new SmallModel();
  references = await probedReferences(model);
  samples = heldOut(7, 50);
  calibration = calibrationOf(model, samples);
  return () => {
    model.dispose();
    calibration.inputs.dispose();
  };
});

const options = (): AttachOptions => ({
  weights: model.weights,
  references,
  calibration: { ...calibration, predictWith: predictWith(model) },
  config: PROBED,
});

const METHODS = [...MERGE_METHODS.map(({ name }) => name), 'task_arithmetic@0.6', 'ties@density=0.5'];

/** Everything that was said while the small model was trained with these settings. */
async function trained(changes: Partial<AttachOptions> = {}, steps = 12) {
  const optimizer = tf.train.adam(0.02);
  const guard = await attach(optimizer, { ...options(), ...changes });
  const log = eventLog(guard);
  const hello = log.of('hello')[0];
  await train(model, optimizer, steps);
  await guard.detach();
  optimizer.dispose();
  return { log, hello, probes: log.of('probe') };
}

/** A thread takes longer to start than hundreds of these steps take. */
async function trainUntil(
  optimizer: tf.Optimizer,
  isOver: () => boolean,
  atStep = () => {},
  trainee = model,
): Promise<void> {
  for (let step = 0; !isOver(); step++) {
    expect(step).toBeLessThan(100_000);
    await train(trainee, optimizer, 1, atStep);
  }
}

function expectNumbers(probe: ProbeEvent, expected: ReturnType<typeof numbersByHand>): void {
  const { accuracy, normalised, loss, samples: count, tasks } = expected;
  expect(probe.samples).toBe(count);
  expect(probe.accuracy).toBeCloseTo(accuracy, 12);
  expect(probe.normalised).toBeCloseTo(normalised, 12);
  expect(probe.loss).toBeCloseTo(loss, 4);
  for (const side of ['live', 'reference'] as const) {
    expect(probe.tasks![side].accuracy).toBeCloseTo(tasks[side].accuracy, 12);
    expect(probe.tasks![side].ownAccuracy).toBeCloseTo(tasks[side].ownAccuracy, 12);
    expect(probe.tasks![side].loss).toBeCloseTo(tasks[side].loss, 4);
    expect(probe.tasks![side].ownLoss).toBeCloseTo(tasks[side].ownLoss, 4);
    expect(probe.tasks![side].samples).toBe(tasks[side].samples);
  }
}

describe('the merge probe', () => {
  it('of the final weights is what an offline merge and an evaluation on the host give, by every method', async () => {
    const base = weightsOf(model);
    const config = { ...PROBED, mergeProbe: { methods: METHODS } };
    const { log, probes } = await trained({ config });
    const live = weightsOf(model);
    const last = lastProbes(probes);
    expect([...last.keys()].sort()).toEqual(
      METHODS.flatMap((method) => [`${method} one`, `${method} two`]).sort(),
    );
    for (const method of METHODS) {
      references.forEach((reference, r) => {
        const probe = last.get(`${method} ${reference.name}`)!;
        const of = { live: samples, reference: heldOut(100 + r, 40) };
        expect(probe).toMatchObject({ kind: 'merge', step: 12 });
        expectNumbers(probe, numbersByHand(probedByHand(live, base, reference, method, of)));
        expect(eventSchema.parse(JSON.parse(JSON.stringify(probe)))).toEqual(probe);
      });
    }
    expect(log.titles).toEqual([]);
    // They come before the last tick, which they are to correct.
    const names = log.events.map(({ event }) => event);
    expect(names.lastIndexOf('probe')).toBeLessThan(names.lastIndexOf('tick'));
  });

  it('tells which coefficient gives the lowest loss, and stays what it is at 1', async () => {
    const base = weightsOf(model);
    const methods = ['weight_avg', 'task_arithmetic@2', 'ties'];
    const coefficients = [0.25, 0.8, 1.25];
    const { probes } = await trained({ config: { ...PROBED, mergeProbe: { methods, coefficients } } });
    const live = weightsOf(model);
    const last = lastProbes(probes);
    const chosen = new Set<number>();
    for (const method of methods) {
      references.forEach((reference, r) => {
        const of = { live: samples, reference: heldOut(100 + r, 40) };
        const at = (coefficient: number) =>
          numbersByHand(probedByHand(live, base, reference, method, of, coefficient));
        const found = [1, ...coefficients].map((coefficient) => ({ coefficient, ...at(coefficient) }));
        const wanted = found.toSorted((a, b) => a.loss - b.loss)[0];
        const probe = last.get(`${method} ${reference.name}`)!;
        expectNumbers(probe, at(1));
        expect(probe.best!.coefficient).toBe(wanted.coefficient);
        expect(probe.best!.accuracy).toBeCloseTo(wanted.accuracy, 12);
        expect(probe.best!.loss).toBeCloseTo(wanted.loss, 4);
        expect(probe.best!.standardError).toBeGreaterThan(0);
        expect(eventSchema.parse(JSON.parse(JSON.stringify(probe)))).toEqual(probe);
        chosen.add(wanted.coefficient);
      });
    }
    expect(chosen.size).toBeGreaterThan(1);
  });

  it('looks at three coefficients unless it is told others', async () => {
    const { probes } = await trained({ config: { ...PROBED, mergeProbe: {} } }, 3);
    for (const { best, loss } of probes) {
      expect([0.8, 1, 1.25]).toContain(best!.coefficient);
      expect(best!.loss).toBeLessThanOrEqual(loss);
    }
  });

  it.each([[[]], [[1]], [[1, 1]]])('tells no best one where it is to look at %j', async (coefficients) => {
    const { probes } = await trained({ config: { ...PROBED, mergeProbe: { coefficients } } }, 3);
    expect(probes.length).toBeGreaterThan(0);
    expect(probes.every(({ best }) => best === undefined)).toBe(true);
  });

  it('while training goes on is of the step at which its weights were taken, live head included', async () => {
    const base = weightsOf(model);
    const atSteps: ReturnType<typeof weightsOf>[] = [];
    const optimizer = tf.train.adam(0.05);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    await trainUntil(
      optimizer,
      () => log.of('probe').length > 2,
      () => atSteps.push(weightsOf(model)),
    );
    const during = log.of('probe');
    await guard.detach();
    for (const probe of during) {
      const r = references.findIndex(({ name }) => name === probe.reference);
      const of = { live: samples, reference: heldOut(100 + r, 40) };
      expect(probe.step).toBeGreaterThan(0);
      const live = atSteps[probe.step];
      expectNumbers(probe, numbersByHand(probedByHand(live, base, references[r], 'weight_avg', of)));
    }
    expect(new Set(during.map(({ step }) => step)).size).toBe(during.length);
  });

  it('leaves weights and optimiser bit-identical to a training that nobody watches', async () => {
    const run = async (steps: number | null) => {
      const other = new SmallModel();
      const optimizer = tf.train.adam(0.001);
      const batch = { ...calibrationOf(other, samples), predictWith: predictWith(other) };
      const guard =
        steps === null
          ? await attach(optimizer, { ...options(), weights: other.weights, calibration: batch })
          : null;
      if (guard) {
        const log = eventLog(guard);
        await trainUntil(
          optimizer,
          () => log.of('probe').length > 2,
          () => {},
          other,
        );
      } else {
        await train(other, optimizer, steps!);
      }
      const values = other.values();
      await guard?.detach();
      const state = (await optimizer.getWeights()).map(({ tensor }) => [...tensor.dataSync()]);
      expect(other.values()).toEqual(values);
      other.dispose();
      return { values, state, steps: guard?.step ?? steps };
    };
    const guarded = await run(null);
    expect(await run(guarded.steps)).toEqual(guarded);
  });

  it('keeps no tensors: neither while it goes round nor afterwards', async () => {
    const before = tf.memory().numTensors;
    const optimizer = tf.train.adam(0.02);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const counts: number[] = [];
    guard.events.subscribe(({ event }) => event === 'probe' && counts.push(tf.memory().numTensors));
    await trainUntil(optimizer, () => log.of('probe').length > 4);
    await guard.detach();
    // The optimiser makes its slots at the first step.
    expect(new Set(counts.slice(0, -2)).size).toBe(1);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('uses as many samples as it is told to, and as there are', async () => {
    const config = { ...PROBED, mergeProbe: { samples: 45 } };
    const { probes } = await trained({ config }, 2);
    expect(probes.at(-1)!.tasks).toMatchObject({ live: { samples: 45 }, reference: { samples: 40 } });
  });

  it('stays inside the budget: with none there is nothing but the last one', async () => {
    const { probes, log } = await trained({ config: { ...PROBED, overhead: 0, mergeProbe: {} } }, 40);
    expect(probes.map(({ step }) => step)).toEqual([40, 40]);
    expect(log.of('tick').at(-1)!.cost.mergeMs).toBeGreaterThan(0);
  });

  it.each([
    ['it is switched off', { config: { ...PROBED, mergeProbe: { enabled: false } } }],
    ['there are no samples of the live task', { calibration: undefined }],
    ['there are no references', { references: [] }],
  ])('does not happen where %s', async (_, changes) => {
    expect((await trained(changes, 3)).probes).toEqual([]);
  });
});
