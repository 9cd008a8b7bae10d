import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import {
  connectGuard,
  createGuard,
  resolveConfig,
  type Score,
  type TickEvent,
} from '../../../../src/guard/index.js';
import { startServer } from '../../../../src/server/index.js';
import { chosen } from '../../../backend/chosen.js';
import { fingerprintOf } from '../../../guard/fingerprint-sample.js';
import { eventLog, SmallModel, train } from '../guarded-loop.js';
import { calibrationOf, heldOut, PROBED, predictWith, probedReferences } from '../probed-loop.js';

beforeAll(() => openBackend(chosen));

const fingerprint = fingerprintOf(['ties', 'weight_avg']);

/** A run that is probed once, at its end; its first tick is without probes. */
async function trained(guard: AttachOptions['guard']) {
  const model = new SmallModel();
  const optimizer = tf.train.adam(0.02);
  const attached = await attach(optimizer, {
    weights: model.weights,
    references: await probedReferences(model),
    calibration: { ...calibrationOf(model, heldOut(7, 50)), predictWith: predictWith(model) },
    config: { ...PROBED, mergeProbe: { every: 1000, methods: ['weight_avg', 'task_arithmetic'] } },
    guard,
  });
  const log = eventLog(attached);
  await train(model, optimizer, 12);
  await attached.detach('done');
  optimizer.dispose();
  model.dispose();
  return log;
}

function scoresOf(tick: TickEvent, method: string): Score[] {
  return tick.pairs.map(({ scores }) => scores.find((score) => score.method === method)!);
}

const width = ({ low, high }: Score) => high! - low!;

describe('the scores of a run that is probed', () => {
  it('rest on the probes from the next tick on, by the probed method alone, and are surer', async () => {
    const log = await trained((setup, options) => createGuard(setup, resolveConfig(options), fingerprint));
    const ticks = log.of('tick');
    const last = ticks.at(-1)!;
    const before = ticks.at(-2)!;
    expect(log.of('probe').map(({ method, step }) => `${method} ${step}`)).toEqual([
      'weight_avg 12',
      'task_arithmetic 12',
      'weight_avg 12',
      'task_arithmetic 12',
    ]);
    scoresOf(last, 'weight_avg').forEach((score, r) => {
      const earlier = scoresOf(before, 'weight_avg')[r];
      expect(earlier.basis).not.toContain('merge-probe');
      expect(score.basis).toContain('merge-probe');
      expect(width(score)).toBeLessThan(0.9 * width(earlier));
    });
    const found = log.of('probe').filter(({ method }) => method === 'weight_avg');
    const off = (tick: TickEvent) =>
      Math.abs(
        scoresOf(tick, 'weight_avg').reduce((sum, { value }, r) => sum + value! - found[r].normalised!, 0),
      );
    expect(off(last)).toBeLessThan(0.7 * off(before));
    for (const score of scoresOf(last, 'ties')) {
      expect(score.basis).not.toContain('merge-probe');
    }
    // The fingerprint has no task_arithmetic: its probes are shown, and no trouble.
    expect(log.of('alert').filter(({ rule }) => rule === 'internal')).toEqual([]);
  });

  it('of a guard in another process as well', async () => {
    const server = await startServer({
      port: 0,
      openRun: (setup, config) => createGuard(setup, resolveConfig(config), fingerprint),
    });
    try {
      const log = await trained((setup, config) => connectGuard(server.url, setup, config));
      expect(log.of('probe')).toHaveLength(4);
      expect(log.of('probe')[0].tasks!.live.samples).toBe(50);
      const last = log.of('tick').at(-1)!;
      expect(last.cost.mergeMs).toBeGreaterThan(0);
      for (const score of scoresOf(last, 'weight_avg')) {
        expect(score.basis).toContain('merge-probe');
      }
    } finally {
      await server.close();
    }
  });
});
