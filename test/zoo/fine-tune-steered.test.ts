import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sharedWeights } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import { type Term, termNamed } from '../../src/steering/index.js';
import { MergeguardError, type NamedTensors } from '../../src/tensors/index.js';
import { fineTuneSteered } from '../../src/zoo/fine-tune-steered.js';
import { fineTuneReference } from '../../src/zoo/pool.js';
import { type SteeredTerm, saysNotSteered } from '../../src/zoo/steering-hook.js';
import { measureStepTimes } from '../../src/zoo/step-cost.js';
import { VisionTransformer } from '../../src/zoo/vision-transformer.js';
import { ZooEvaluators } from '../../src/zoo/zoo-evaluators.js';
import { barTask, writeTaskFolder } from './small-tasks.js';

const SHAPE = { width: 16, depth: 1, heads: 4 };
const RECIPE = { steps: 12, batch: 4, learningRate: 1e-3, headSteps: 3 };
const TASK = barTask('bars', 2);
const SHARPNESS: SteeredTerm = { term: 'sharpness', strength: 1, parameters: { every: 3 } };

let model: VisionTransformer;
let base: NamedTensors;
beforeAll(async () => {
  await openBackend('wasm');
  model = new VisionTransformer(SHAPE, 1);
  base = await sharedWeights(model.encoder());
});
afterAll(() => model.dispose());

const steered = (terms: SteeredTerm[], recipe = RECIPE) =>
  fineTuneSteered(model, base, TASK, recipe, 5, { terms });

describe('fine-tuning with terms', () => {
  it('is plain fine-tuning to the bit without any', async () => {
    const plain = await fineTuneReference(model, base, TASK, RECIPE, 5);
    const { reference, gradientEvaluations, warnings } = await steered([]);
    expect(reference).toEqual(plain);
    expect(gradientEvaluations).toBe(1);
    expect(warnings).toEqual([]);
  });

  it('counts what a term evaluates, and gives the same weights for the same seed, others than plain ones', async () => {
    const one = await steered([SHARPNESS]);
    expect(one.gradientEvaluations).toBeCloseTo(1 + 1 / 3, 12);
    expect((await steered([SHARPNESS])).reference).toEqual(one.reference);
    expect((await steered([])).reference.tau).not.toEqual(one.reference.tau);
    expect(one.reference.madeBy).toMatchObject({ steering: [SHARPNESS] });
  });

  it('does without a second evaluation in place', async () => {
    const inPlace = { form: 'in_place', every: 2 };
    const { gradientEvaluations } = await steered([
      { term: 'scale_jitter', strength: 1, parameters: inPlace },
    ]);
    expect(gradientEvaluations).toBe(1);
  });

  it('trains beside references that terms ask for, functions included', async () => {
    const { reference } = await steered([]);
    const other = { ...reference, name: 'other' };
    const steering = {
      terms: [
        { term: 'functional', strength: 0.1 },
        { term: 'subspace', strength: 0.1 },
      ],
      references: [other],
    };
    const { gradientEvaluations } = await fineTuneSteered(model, base, TASK, RECIPE, 5, steering);
    expect(gradientEvaluations).toBe(2);
  });

  it('fails where a term does not act, or is none', async () => {
    const lonely = steered([{ term: 'subspace', strength: 1 }]);
    await expect(lonely).rejects.toThrow(MergeguardError);
    await expect(lonely).rejects.toThrow(
      /^steering\.subspace\.strength is 1: subspace needs references, and this run has none/,
    );
    const refuses = vi.spyOn(termNamed('hold'), 'start').mockImplementation(() => {
      throw new Error('nothing to hold');
    });
    try {
      const held = steered([{ term: 'hold', strength: 1 }]);
      await expect(held).rejects.toThrow(/bars was not trained as it was to be:.*hold: nothing to hold/s);
    } finally {
      refuses.mockRestore();
    }
    await expect(steered([{ term: 'sharpnes', strength: 1 }])).rejects.toThrow(/sharpness/);
  });

  it('fails where a term fails on the way, with what the term says, and leaves plain training as it was', async () => {
    const before = await steered([]);
    const jitter = termNamed('scale_jitter');
    const start = jitter.start;
    let evaluations = 0;
    const breaks = vi.spyOn(jitter, 'start').mockImplementation((...args): Term => {
      const term = start.call(jitter, ...args);
      if (term.kind !== 'loss') {
        throw new Error('scale_jitter is a loss term');
      }
      const { evaluate } = term;
      return {
        ...term,
        evaluate: (...given) => {
          evaluations += 1;
          if (evaluations > 3) {
            throw new Error('no scale is left');
          }
          return evaluate(...given);
        },
      };
    });
    try {
      const parameters = { form: 'in_place', low: 0.5, high: 1 };
      const failing = steered([{ term: 'scale_jitter', strength: 1, parameters }]);
      await expect(failing).rejects.toThrow('no scale is left');
      expect(evaluations).toBe(4);
    } finally {
      breaks.mockRestore();
    }
    expect((await steered([])).reference).toEqual(before.reference);
  });

  it('knows what the hook says of terms that do not act from what else it says', () => {
    for (const title of [
      'A steering term can not be followed',
      'Steering terms can not be followed',
      'A steering term does nothing',
      'The term scale_jitter failed; training goes on',
      'The term hold is switched off',
    ]) {
      expect(saysNotSteered(`${title}: of that`)).toBe(true);
    }
    expect(saysNotSteered('A steering term acts on a part of the model: of that')).toBe(false);
    expect(saysNotSteered('The loss is not deterministic: The term hold is switched off')).toBe(false);
  });

  it('leaves no tensor behind', async () => {
    await steered([SHARPNESS]);
    const before = tf.memory().numTensors;
    await steered([SHARPNESS]);
    await expect(steered([{ term: 'subspace', strength: 1 }])).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('averaging along a run', () => {
  const tauOf = async (recipe: typeof RECIPE & { averaging?: { from: number; decay?: number } }) =>
    (await steered([], recipe)).reference.tau.get('encoder.norm.bias')!.data;

  it('ends with the mean of the weights from a step on', async () => {
    // With a constant step size the runs of fewer steps are where this one stood then.
    const recipe = { ...RECIPE, steps: 3, headSteps: 0 };
    const none = await tauOf({ ...recipe, averaging: { from: 1 } });
    expect(none).toEqual(await tauOf(recipe));
    const last = await tauOf({ ...recipe, averaging: { from: 2 / 3 } });
    expect(last).toEqual(await tauOf(recipe));
    const mean = await tauOf({ ...recipe, averaging: { from: 1 / 3 } });
    const two = await tauOf({ ...recipe, steps: 2 });
    const three = await tauOf(recipe);
    for (const [i, value] of mean.entries()) {
      expect(value).toBeCloseTo((two[i]! + three[i]!) / 2, 6);
    }
  });

  it('counts the newest weights by one minus the decay', async () => {
    const recipe = { ...RECIPE, steps: 3, headSteps: 0 };
    const ema = await tauOf({ ...recipe, averaging: { from: 1 / 3, decay: 0.75 } });
    const two = await tauOf({ ...recipe, steps: 2 });
    const three = await tauOf(recipe);
    for (const [i, value] of ema.entries()) {
      expect(value).toBeCloseTo(0.75 * two[i]! + 0.25 * three[i]!, 6);
    }
  });
});

describe('step times', () => {
  it('are taken of both by blocks, and leave no tensor behind', async () => {
    const before = tf.memory().numTensors;
    const timed = { task: TASK, recipe: { ...RECIPE, averaging: { from: 0.5 } }, seed: 1, blocks: 2 };
    const times = await measureStepTimes(base, { ...timed, steering: { terms: [SHARPNESS] } });
    expect(times.plain).toHaveLength(2);
    expect(times.steered).toHaveLength(2);
    expect(Math.min(...times.plain, ...times.steered)).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('in threads', () => {
  it('is the same to the bit', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mergeguard-steered-'));
    await writeTaskFolder(folder);
    const evaluators = await ZooEvaluators.open({ threads: 1, data: folder, seed: 0 });
    try {
      const steering = { terms: [SHARPNESS] };
      const there = await evaluators.fineTuneSteered(base, TASK, RECIPE, 5, steering);
      const here = await steered([SHARPNESS]);
      expect(there.reference).toEqual(here.reference);
      expect(there.gradientEvaluations).toBe(here.gradientEvaluations);
      const timed = { task: TASK, recipe: RECIPE, seed: 1, steering, blocks: 1 };
      expect((await evaluators.stepTimes(base, timed)).steered).toHaveLength(1);
    } finally {
      await evaluators.close();
      await rm(folder, { recursive: true });
    }
  });
});
