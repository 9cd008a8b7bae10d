import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { attach } from '../../../hooks/tfjs/index.js';
import { openBackend, surveyBackends } from '../../../src/backend/index.js';
import type { PairReport } from '../../../src/guard/index.js';
import { metricNames } from '../../../src/metrics/index.js';
import { makeReference } from '../../../src/reference/index.js';
import { type NamedTensors, parseSafetensors, permute, toFloat32 } from '../../../src/tensors/index.js';
import { type EventLog, eventLog } from './guarded-loop.js';
import { RECIPE } from './random-models.js';

const folder = resolve(fileURLToPath(import.meta.url), '../../../../../shared/fixtures/parity');
const absent = !existsSync(folder);
const title = absent
  ? 'parity of the stream (skipped: ../shared/fixtures/parity is not there)'
  : 'parity of the stream with the published implementation';

/** One iteration a tick from a random start: settled to 1e-5 well before. */
const TICKS = 60;

function read(file: string): NamedTensors {
  const { tensors } = parseSafetensors(readFileSync(resolve(folder, `${file}.safetensors`)), file);
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: toFloat32(data) }]));
}

/** A matrix under the name and in the layout of a tfjs kernel, everything else as it is. */
function asTfjs(tensors: NamedTensors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    [...tensors].map(([name, { shape, data }]) => {
      if (shape.length !== 2) {
        return [name, tf.tensor(data, [...shape])];
      }
      const path = name.replaceAll('.', '/').replace(/weight$/, 'kernel');
      return [path, tf.tensor(permute(data, shape, [1, 0]), [shape[1], shape[0]])];
    }),
  );
}

const asTorch = (tensors: NamedTensors): Record<string, tf.Tensor> =>
  Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]));

function expectClose(value: number | null, expected: number, name: string): void {
  expect(value, name).not.toBeNull();
  expect(Math.abs(value! / expected - 1), `${name}: ${value}, ${expected}`).toBeLessThan(1e-5);
}

function lastPairs(log: EventLog): readonly PairReport[] {
  return log.of('tick').at(-1)!.pairs;
}

const config = { fingerprint: null, tap: { every: 1, foldStride: 1, gradientDecay: 0 } };

const backends = (await surveyBackends()).filter(({ opens }) => opens).map(({ name }) => name);

describe.skipIf(absent).each(backends)(`${title}, on %s`, (backend) => {
  const all: Record<string, Record<string, number>> = absent
    ? {}
    : JSON.parse(readFileSync(resolve(folder, 'expected.json'), 'utf8'));

  beforeAll(() => openBackend(backend));

  it.each([
    ['as PyTorch stores them', asTorch],
    ['as tfjs stores them', asTfjs],
  ] as const)('all 18 weight metrics to 1e-5, matrices %s', async (_, stored) => {
    const base = read('base');
    const references = ['b', 'c'].map((name) => makeReference({ name, base, model: read(name) }));
    const initial = stored(base);
    const weights = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, tf.variable(t)]));
    const optimizer = tf.train.sgd(1);
    const guard = await attach(optimizer, { weights, references, heads: [], config });
    const log = eventLog(guard);
    for (const [name, value] of Object.entries(stored(read('a')))) {
      weights[name].assign(value);
    }
    for (let step = 0; step < TICKS; step++) {
      optimizer.applyGradients({});
      await tf.nextFrame();
    }
    await guard.detach();
    for (const { reference, metrics } of lastPairs(log)) {
      const expected = all[`a__${reference}`];
      const covered = Object.keys(expected).filter((name) => metricNames.includes(name));
      expect(covered).toHaveLength(18);
      for (const name of covered) {
        expectClose(metrics[name], expected[name], `a__${reference} ${name}`);
      }
    }
  });

  it.each(['b', 'c'])('gradient metrics to 1e-5: a against %s', async (name) => {
    const vectors = read('vectors');
    const base = new Map([['g', { shape: [4096], data: new Float32Array(4096) }]]);
    const reference = makeReference({
      name,
      base,
      model: new Map([['g', vectors.get('c')!]]),
      gradient: new Map([['g', vectors.get(name)!]]),
      gradientRecipe: RECIPE,
    });
    const variable = tf.variable(tf.zeros([4096]));
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { weights: { g: variable }, references: [reference], config });
    const log = eventLog(guard);
    optimizer.applyGradients([{ name: variable.name, tensor: tf.tensor(vectors.get('a')!.data) }]);
    await guard.detach();
    const [{ metrics }] = lastPairs(log);
    for (const metric of ['cosine_similarity', 'l2_distance', 'dot_product']) {
      expectClose(metrics[`encoder_gradient_${metric}`], all[`a__${name}`][`vector_${metric}`], metric);
    }
  });
});
