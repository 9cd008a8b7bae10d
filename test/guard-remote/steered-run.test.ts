import * as tf from '@tensorflow/tfjs';
import { filter, firstValueFrom } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import {
  connectGuard,
  createGuard,
  type Guard,
  type GuardConfigInput,
  resolveConfig,
} from '../../src/guard/index.js';
import { type Server, startServer } from '../../src/server/index.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel } from '../hooks/tfjs/guarded-loop.js';

let server: Server;
beforeAll(async () => {
  await openBackend('wasm');
  server = await startServer({
    port: 0,
    openRun: (setup, config) => createGuard(setup, resolveConfig(config), null),
  });
});
afterAll(() => server.close());

const here: AttachOptions['guard'] = (setup, config) => createGuard(setup, resolveConfig(config), null);
const elsewhere: AttachOptions['guard'] = (setup, config) => connectGuard(server.url, setup, config);

const TICK = 5;

/** A training under guard; the loop waits for nothing but, after every tick, for what the guard has made of it. */
async function trained(makeGuard: AttachOptions['guard'], config: GuardConfigInput, steps = 12) {
  const model = new SmallModel();
  const optimizer = tf.train.adam(0.02);
  let guard: Guard | null = null;
  const attached = await attach(optimizer, {
    weights: model.weights,
    references: await referencesFor(model.weights),
    calibration: model.calibration,
    config: { run: `run-${Math.random()}`, ...config },
    guard: async (...how) => {
      guard = await makeGuard!(...how);
      return guard;
    },
  });
  const log = eventLog(attached);
  const heard = (name: string, step: number) =>
    firstValueFrom(attached.events.pipe(filter((event) => event.event === name && event.step >= step)));
  const values: number[][][] = [];
  for (let step = 1; step <= steps; step++) {
    optimizer.minimize(model.loss, false, model.variables);
    values.push(model.values());
    await tf.nextFrame();
    const lastTick = Math.floor((step - 1) / TICK) * TICK;
    if (lastTick > 0 && step % TICK === 2) {
      await heard('tick', lastTick);
      // What comes back after the guard's answer to the tick.
      const echo = heard('progress', step);
      attached.progress('wait', step, steps);
      await echo;
    }
  }
  await attached.detach('done');
  model.dispose();
  return { log, values, guard: guard as Guard | null };
}

const ADDED = { form: 'added', chain: true } as const;

describe('a run that is steered', () => {
  const fixed = (form: object) => ({
    ...EVERY_STEP,
    seed: 4,
    steering: {
      merge_simulation: { ...form, strength: 0.7, every: 2 },
      scale_jitter: { ...form, strength: 0.5, probability: 0.6 },
      sharpness: { strength: 1, every: 3 },
      proximal: { strength: 0.01 },
    },
  });

  it.each([
    ['added', fixed(ADDED), 0],
    // At the base, where the first step is taken, every place is the same.
    ['in place', fixed({}), 2],
  ])(
    'by a remote guard, with fixed strengths, has the same weights at every step as one steered in its process (%s)',
    async (_, fixed, acts) => {
      const [inside, outside] = [await trained(here, fixed), await trained(elsewhere, fixed)];
      expect(outside.values).toEqual(inside.values);
      expect(outside.log.of('steer').map(({ terms }) => terms)).toEqual(
        inside.log.of('steer').map(({ terms }) => terms),
      );
      const plain = await trained(here, EVERY_STEP);
      expect(inside.values[acts]).not.toEqual(plain.values[acts]);
    },
  );

  const controlled: GuardConfigInput = {
    ...EVERY_STEP,
    seed: 5,
    tap: { every: TICK, foldStride: 1 },
    selfProbe: { every: TICK },
    steering: {
      merge_simulation: { ...ADDED, low: 0.3, high: 0.6 },
      controller: {
        enabled: true,
        terms: ['merge_simulation', 'sharpness'],
        every: TICK,
        costBudget: 10,
        accuracyBudget: 0.1,
      },
    },
  };

  it('by the controller of a remote guard, at fixed cadences, has the same weights as well', async () => {
    const steps = 320;
    const inside = await trained(here, controlled, steps);
    const outside = await trained(elsewhere, controlled, steps);
    const orders = ({ log }: typeof inside) =>
      log
        .of('steer')
        .map(({ step, fromStep, terms, reason, source }) => ({ step, fromStep, terms, reason, source }));
    const plain = await trained(here, { ...controlled, steering: {} }, 110);
    expect(orders(outside)).toEqual(orders(inside));
    expect(outside.values).toEqual(inside.values);
    // It acts, from just the step that it says: 100 steps of self-probes without steering come first.
    const [first] = orders(inside);
    expect(first).toMatchObject({ step: 105, fromStep: 108, source: 'controller' });
    expect(inside.values.slice(0, 108)).toEqual(plain.values.slice(0, 108));
    expect(inside.values[108]).not.toEqual(plain.values[108]);
    const strengths = orders(inside).map(({ terms }) => terms[0]?.strength ?? 0);
    expect(strengths.slice(0, 4)).toEqual([0.25 * 0.2, 0.5 * 0.2, 0.75 * 0.2, 0.2]);
    // Everything is right with the scaled weights too: there is nothing to be gained.
    expect(strengths.at(-1)).toBe(0);
    expect(orders(inside).at(-1)?.reason).toMatch(
      /^goes back to none: it does not help: self-probe \(the own measure of merge_simulation\) 100\.0 % against 100\.0 %/,
    );
  });
});
