import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import { MergeguardError, type NamedTensors } from '../../src/tensors/index.js';
import { type Pool, preparePool } from '../../src/zoo/pool.js';
import { firstSamples } from '../../src/zoo/task.js';
import { evaluate, evaluateSamples } from '../../src/zoo/train.js';
import { loadPoolTask } from '../../src/zoo/variant-tasks.js';
import { VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';
import { ZooEvaluators } from '../../src/zoo/zoo-evaluators.js';
import { barTask, writeTaskFolder } from './small-tasks.js';

let folder: string;
let evaluators: ZooEvaluators;
beforeAll(async () => {
  await openBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-evaluators-'));
  await writeTaskFolder(folder);
  evaluators = await ZooEvaluators.open({ threads: 2, data: folder, seed: 4 });
});
afterAll(async () => {
  await evaluators.close();
  await rm(folder, { recursive: true });
});

interface Weights {
  readonly model: VisionTransformer;
  readonly encoder: NamedTensors;
  readonly head: NamedTensors;
}

async function weights(task: string, classes: number, seed: number): Promise<Weights> {
  const model = new VisionTransformer(ZOO_SHAPE, seed);
  model.addHead(task, classes, seed);
  const encoder = await sharedWeights(model.encoder());
  return { model, encoder, head: await sharedWeights(model.head(task), []) };
}

describe('ZooEvaluators', () => {
  it('evaluates as it is done here, to the bit, whichever thread does it', async () => {
    for (const [name, classes] of [
      ['bars-turned', 2],
      ['lines', 3],
    ] as const) {
      const task = await loadPoolTask({ data: folder, seed: 4 }, name);
      const { model, encoder, head } = await weights(name, classes, 1);
      for (const part of ['test', 'calibration'] as const) {
        const all = await Promise.all(
          [undefined, undefined, undefined, 5].map((samples) =>
            evaluators.evaluate({ task: name, part, samples, encoder, head }),
          ),
        );
        const here = await evaluateSamples(model, task, task[part]);
        const summary = await evaluate(model, task, task[part]);
        for (const there of all.slice(0, 3)) {
          expect(there).toEqual({ ...here, ...summary });
        }
        const few = await evaluate(model, task, firstSamples(task[part], 5));
        expect(all[3]).toMatchObject(few);
        expect(all[3].correct).toEqual(here.correct.slice(0, 5));
      }
      model.dispose();
    }
  });

  it('says what is wrong with a task or with tensors, and goes on', async () => {
    const { model, encoder, head } = await weights('bars', 2, 1);
    const evaluateTask = (task: string, tensors = encoder) =>
      evaluators.evaluate({ task, part: 'test', encoder: tensors, head });
    const unknown = evaluateTask('brass');
    await expect(unknown).rejects.toThrow(MergeguardError);
    await expect(unknown).rejects.toThrow(/^evaluating brass: there is no task "brass"; there are bars, /);
    await expect(evaluateTask('lines')).rejects.toThrow(/^evaluating lines: the head of lines /);
    const [first] = encoder.keys();
    const cut = new Map([...encoder].filter(([name]) => name !== first));
    await expect(evaluateTask('bars', cut)).rejects.toThrow(/^evaluating bars: the encoder .*\n.*missing/);
    const here = await evaluate(model, await loadPoolTask({ data: folder, seed: 4 }, 'bars'));
    expect(await evaluateTask('bars')).toMatchObject(here);
    model.dispose();
  });

  it('fine-tunes as preparePool does here, to the bit', async () => {
    const recipe = { steps: 2, batch: 4, learningRate: 1e-3 };
    const references = [barTask('bars', 2), barTask('lines', 3)];
    const phases: string[] = [];
    const prepare = (fineTuner?: ZooEvaluators): Promise<Pool> =>
      preparePool({
        pretraining: [barTask('north', 2)],
        references,
        seed: 1,
        source: 'test',
        cache: null,
        recipes: { pretraining: recipe, fineTuning: recipe },
        fineTuner,
        onProgress: (phase) => phases.push(phase),
      });
    const here = await prepare();
    phases.length = 0;
    const there = await prepare(evaluators);
    expect(there).toEqual(here);
    expect([...new Set(phases)].sort()).toEqual([
      'pretrain',
      ...references.map(({ name }) => `reference ${name}`),
    ]);
    expect(tf.getBackend()).toBe('wasm');
  });

  it('rejects what comes after it was closed', async () => {
    const { model, encoder, head } = await weights('bars', 2, 1);
    const closed = await ZooEvaluators.open({ threads: 1, data: folder, seed: 0 });
    await closed.close();
    await expect(closed.evaluate({ task: 'bars', part: 'test', encoder, head })).rejects.toThrow(
      'evaluating bars: the thread pool is closed',
    );
    model.dispose();
  });
});
