import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { attach } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, eventLog, SmallModel, train } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
beforeEach(() => {
  model = new SmallModel();
  return () => model.dispose();
});

const options = () => ({ weights: model.weights, references: [], config: EVERY_STEP });

describe('the self-probe', () => {
  it('is what evaluating at base + 0.5 tau by hand gives, and leaves the weights bit-identical', async () => {
    const base = await model.read();
    const optimizer = tf.train.adam(0.05);
    const guard = await attach(optimizer, { ...options(), calibration: model.calibration });
    const log = eventLog(guard);
    await train(model, optimizer, 20);
    const live = await model.read();
    await guard.detach();
    expect(await model.read()).toEqual(live);
    const probe = log.of('tick').at(-1)!.selfProbe!;
    expect(probe).toMatchObject({ scale: 0.5, samples: 32, step: 20 });

    const evaluate = async () => {
      const classes = tf.tidy(() => tf.argMax(model.predict(model.inputs), 1));
      const mean = model.loss();
      const [guesses, [loss]] = await Promise.all([classes.data(), mean.data()]);
      tf.dispose([classes, mean]);
      const hits = model.labels.filter((label, i) => label === guesses[i]).length;
      return { accuracy: hits / model.labels.length, loss };
    };
    const plain = await evaluate();
    expect(probe.accuracy).toBeCloseTo(plain.accuracy, 6);
    expect(probe.loss).toBeCloseTo(plain.loss, 5);
    // The head is not shared, and stays where it is.
    [model.hidden, model.bias].forEach((variable, v) => {
      const half = live[v].map((value, i) => base[v][i] + 0.5 * (value - base[v][i]));
      variable.assign(tf.tensor(half, variable.shape));
    });
    const halfWay = await evaluate();
    expect(probe.scaledAccuracy).toBeCloseTo(halfWay.accuracy, 6);
    expect(probe.scaledLoss).toBeCloseTo(halfWay.loss, 5);
    expect(probe.scaledLoss).not.toBeCloseTo(probe.loss, 2);
  });

  it('takes probabilities, one-hot labels and a part of the samples as well', async () => {
    const labels = tf.oneHot(tf.tensor1d(model.labels, 'int32'), 3);
    const probes = [];
    for (const calibration of [
      model.calibration,
      { ...model.calibration, labels },
      { ...model.calibration, labels: [...model.labels] },
      {
        ...model.calibration,
        output: 'probabilities' as const,
        predict: (inputs: tf.Tensor) => tf.softmax(model.predict(inputs)),
      },
    ]) {
      const config = { ...EVERY_STEP, selfProbe: { samples: 10 } };
      const guard = await attach(tf.train.sgd(0.1), { ...options(), config, calibration });
      const log = eventLog(guard);
      await guard.detach();
      probes.push(log.of('tick').at(-1)!.selfProbe!);
    }
    for (const { accuracy, loss, samples } of probes) {
      expect(samples).toBe(10);
      expect(accuracy).toBe(probes[0].accuracy);
      expect(loss).toBeCloseTo(probes[0].loss, 5);
    }
    expect(labels.isDisposed).toBe(false);
  });

  it('is absent where it is switched off or there are no samples', async () => {
    for (const given of [{}, { calibration: model.calibration }]) {
      const config = { ...EVERY_STEP, selfProbe: { enabled: false } };
      const guard = await attach(tf.train.sgd(0.1), { ...options(), config, ...given });
      const log = eventLog(guard);
      await guard.detach();
      expect(log.of('tick')[0].selfProbe).toBeNull();
    }
  });

  it('is expected to cost what it costs once everything is compiled', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      // Asked first to see that it fits the batch; then the first probe takes a second to compile, and nothing else any time.
      let asked = 0;
      const predict = (inputs: tf.Tensor) => {
        asked += 1;
        vi.advanceTimersByTime(asked === 2 ? 1000 : 0);
        return model.predict(inputs);
      };
      const config = { ...EVERY_STEP, functional: { enabled: false } };
      const guard = await attach(tf.train.sgd(0.1), {
        ...options(),
        config,
        calibration: { ...model.calibration, predict },
      });
      const log = eventLog(guard);
      await guard.detach();
      expect(asked).toBeGreaterThan(3);
      expect(log.of('tick')[0].cost.probeMs).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
