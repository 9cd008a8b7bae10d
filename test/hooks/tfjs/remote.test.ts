import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../hooks/tfjs/index.js';
import { describeBackend, openBackend } from '../../../src/backend/index.js';
import { connectGuard, createGuard, resolveConfig } from '../../../src/guard/index.js';
import { type Server, startServer } from '../../../src/server/index.js';
import { MergeguardError } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import { fingerprintOf } from '../../guard/fingerprint-sample.js';
import { EVERY_STEP, eventLog, nextEvent, referencesFor, SmallModel, train } from './guarded-loop.js';

let server: Server;
beforeAll(async () => {
  await openBackend(chosen);
  server = await startServer({
    port: 0,
    openRun: (setup, config) => createGuard(setup, resolveConfig(config), fingerprintOf(['ties'])),
  });
});
afterAll(() => server.close());

const elsewhere: AttachOptions['guard'] = (setup, config) => connectGuard(server.url, setup, config);

const steered = {
  ...EVERY_STEP,
  seed: 4,
  steering: { scale_jitter: { strength: 1, form: 'added' }, subspace: { strength: 0.1 } },
};

async function trained(guard: AttachOptions['guard'], config: AttachOptions['config']) {
  const model = new SmallModel();
  const optimizer = tf.train.adam(0.02);
  const references = await referencesFor(model.weights);
  const attached = await attach(optimizer, {
    weights: model.weights,
    references,
    calibration: model.calibration,
    config,
    guard,
  });
  const log = eventLog(attached);
  if (config === steered) {
    await nextEvent(attached, 'steer');
  }
  await train(model, optimizer, 12);
  await attached.detach('done', { accuracy: 0.5 });
  return { log, values: model.values() };
}

describe('a guard in another process', () => {
  it('watches a run: hello, ticks with scores, end', async () => {
    const { log } = await trained(elsewhere, EVERY_STEP);
    const backend = { backend: chosen, backendDescription: describeBackend() };
    expect(log.events[0]).toMatchObject({ event: 'hello', ...backend, fingerprint: 'sample' });
    const last = log.of('tick').at(-1)!;
    expect(last.step).toBe(12);
    expect(last.selfProbe?.samples).toBe(32);
    expect(last.pairs.map(({ reference }) => reference)).toEqual(['one', 'two']);
    expect(last.pairs[0].scores[0]).toMatchObject({ method: 'ties' });
    expect(last.pairs[0].scores[0].value).toBeGreaterThan(0.8);
    expect(log.events.at(-1)).toMatchObject({ event: 'end', status: 'done', summary: { accuracy: 0.5 } });
  });

  it('takes the same measurements as one in this process', async () => {
    const [here, there] = [await trained(undefined, EVERY_STEP), await trained(elsewhere, EVERY_STEP)];
    const last = ({ log }: typeof here) => log.of('tick').at(-1)!;
    expect(last(there).pairs.map(({ metrics }) => metrics)).toEqual(
      last(here).pairs.map(({ metrics }) => metrics),
    );
    expect(last(there).selfProbe).toEqual(last(here).selfProbe);
    expect(there.values).toEqual(here.values);
  });

  it('steers to the same weights as one in this process', async () => {
    const [here, there] = [await trained(undefined, steered), await trained(elsewhere, steered)];
    expect(there.log.of('steer').map(({ terms }) => terms)).toEqual(
      here.log.of('steer').map(({ terms }) => terms),
    );
    expect(there.values).toEqual(here.values);
    expect(here.values).not.toEqual((await trained(undefined, EVERY_STEP)).values);
  });

  it('that refuses the run is an error before the first step', async () => {
    const model = new SmallModel();
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const attaching = attach(optimizer, {
      weights: model.weights,
      references: [],
      config: { ...EVERY_STEP, methods: ['ties'] },
      guard: (setup, config) => connectGuard(server.url, setup, { ...config, methods: ['magic'] }),
    });
    await expect(attaching).rejects.toThrow(MergeguardError);
    await expect(attaching).rejects.toThrow(/magic/);
    expect(tf.memory().numTensors).toBe(before);
  });
});
