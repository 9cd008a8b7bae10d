import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { MERGE_METHODS, type MergekitModels, mergekitConfig, mergeMethod } from '../../src/merging/index.js';

const MODELS: MergekitModels = { base: 'models/base', models: ['models/a', 'models/b'] };

interface Written {
  merge_method: string;
  base_model?: string;
  models: { model: string; parameters?: Record<string, number> }[];
  parameters: Record<string, unknown>;
  dtype: string;
  out_dtype?: string;
}

/** What Python, which reads YAML 1.1, finds in it, and the notes. */
function written(
  id: string,
  models = MODELS,
  coefficient?: number,
): { config: Written; yaml: string; notes: readonly string[] } {
  const found = mergekitConfig(mergeMethod(id), models, coefficient);
  if ('reason' in found) {
    throw new Error(found.reason);
  }
  return { ...found, config: parse(found.yaml, { version: '1.1' }) };
}

describe('mergekitConfig', () => {
  it('writes an average as linear, whole', () => {
    expect(written('weight_avg').yaml).toBe(`# the merge that mergeguard calls weight_avg
# mergekit adds up in float32, mergeguard in float64: the last digit can differ
merge_method: linear
models:
  - model: models/a
    parameters:
      weight: 1
  - model: models/b
    parameters:
      weight: 1
parameters:
  normalize: true
dtype: float32
`);
  });

  it.each([
    ['task_arithmetic', 'task_arithmetic', { normalize: false }, [{ weight: 0.3 }, { weight: 0.3 }]],
    [
      'ties@0.4@density=0.1@trim=tensor',
      'ties',
      { normalize: true, rescale: false, lambda: 0.4 },
      [
        { weight: 1, density: 0.1 },
        { weight: 1, density: 0.1 },
      ],
    ],
    [
      'dare@0.8@density=0.9',
      'dare_linear',
      { normalize: false, rescale: true },
      [
        { weight: 0.4, density: 0.9 },
        { weight: 0.4, density: 0.9 },
      ],
    ],
    // mergekit's linear would weight the base as well where the weights do not add up to 1
    [
      'linear@weights=1:-2@normalise=false',
      'task_arithmetic',
      { normalize: false },
      [{ weight: 1 }, { weight: -2 }],
    ],
  ])('writes %s as %s on the base', (id, method, parameters, each) => {
    const { config } = written(id);
    expect(config).toEqual({
      merge_method: method,
      base_model: 'models/base',
      models: [
        { model: 'models/a', parameters: each[0] },
        { model: 'models/b', parameters: each[1] },
      ],
      parameters,
      dtype: 'float32',
    });
  });

  it('writes weights that are divided by their sum as linear, without a base', () => {
    const { config } = written('linear@weights=3:1');
    expect(config.merge_method).toBe('linear');
    expect(config).not.toHaveProperty('base_model');
    expect(config.models.map(({ parameters }) => parameters)).toEqual([{ weight: 3 }, { weight: 1 }]);
    expect(config.parameters).toEqual({ normalize: true });
  });

  it('gives slerp the first model as its base, where its t begins', () => {
    const { config, notes } = written('slerp@0.3');
    expect(config).toEqual({
      merge_method: 'slerp',
      base_model: 'models/a',
      models: [{ model: 'models/a' }, { model: 'models/b' }],
      parameters: { t: 0.3 },
      dtype: 'float32',
    });
    expect(notes.join('\n')).toContain('base_model is the first model');
  });

  it.each([
    ['weight_avg', 'task_arithmetic', 0.6, undefined],
    ['task_arithmetic@0.5', 'task_arithmetic', 0.6, undefined],
    ['linear@weights=3:3', 'task_arithmetic', 0.6, undefined],
    ['linear@weights=1:1@normalise=false', 'task_arithmetic', 1.2, undefined],
    ['ties@0.5@trim=tensor', 'ties', 1, 0.6],
    ['dare@0.5', 'dare_linear', 0.3, undefined],
  ])('writes a coefficient of 1.2 on %s where %s has a scaling', (id, method, weight, lambda) => {
    const { config, yaml } = written(id, MODELS, 1.2);
    expect([config.merge_method, config.base_model]).toEqual([method, 'models/base']);
    for (const { parameters } of config.models) {
      expect(parameters!.weight).toBeCloseTo(weight, 12);
    }
    expect(config.parameters.lambda).toBe(lambda);
    expect(yaml).toContain(`calls ${id}, its task vector times 1.2\n`);
  });

  it('says so where a coefficient can not be written, and that old versions know no lambda', () => {
    const refused = mergekitConfig(mergeMethod('slerp'), MODELS, 1.2);
    expect(refused).toEqual({ reason: expect.stringContaining('1.2 times as long') });
    expect('yaml' in mergekitConfig(mergeMethod('slerp'), MODELS, 1)).toBe(true);
    expect(written('ties', MODELS, 0.8).notes.join()).toContain('know no lambda');
  });

  it('weights three models of dare by a third', () => {
    const { config } = written('dare', { ...MODELS, models: ['a', 'b', 'c'] });
    expect(config.models.map(({ parameters }) => parameters!.weight)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });

  it('computes in float32 whatever it is to write', () => {
    expect(written('ties', { ...MODELS, dtype: 'bfloat16' }).config).toMatchObject({
      dtype: 'float32',
      out_dtype: 'bfloat16',
    });
    expect(written('ties').config).not.toHaveProperty('out_dtype');
  });

  it.each([
    ['ties', 'mergekit each tensor by itself', true],
    ['ties@trim=tensor', 'mergekit each tensor by itself', false],
    ['ties@density=1', 'mergekit each tensor by itself', false],
    ['ties@trim=tensor', 'cancels exactly', true],
    ['ties@trim=tensor', 'equal at the threshold', true],
    ['ties@0.5', 'lambda', true],
    ['ties', 'lambda', false],
    ['dare@seed=7', 'from seed 7', true],
    ['dare', 'sum of magnitudes', true],
    ['dare@density=1', 'drops other values', false],
  ])('of %s says %j: %s', (id, words, said) => {
    const { yaml, notes } = written(id);
    expect(notes.some((note) => note.includes(words))).toBe(said);
    for (const note of notes) {
      expect(yaml).toContain(`# ${note}\n`);
    }
  });

  it('writes every method or says why not', () => {
    for (const { name } of MERGE_METHODS) {
      const found = mergekitConfig(mergeMethod(name), MODELS);
      if (name === 'tsv' || name === 'isotropic') {
        expect(found).toEqual({ reason: `mergekit has no method that does what ${name} does` });
      } else {
        expect('yaml' in found && found.yaml).toContain(`calls ${name}\n`);
      }
    }
  });

  it('brings names through YAML as they are, words and times of YAML 1.1 too', () => {
    const names = fc.oneof(
      fc.constantFrom('on', 'No', '~', '1:30', '0o17', '017', '1_000', '1e-7', '.inf', '- a', '#a', 'a: b'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(names, names, names, (base, one, other) => {
        const { config } = written('ties', { base, models: [one, other] });
        expect([config.base_model, ...config.models.map(({ model }) => model)]).toEqual([base, one, other]);
      }),
      { seed: 20 },
    );
  });

  it('brings numbers through YAML 1.1, small ones with the point that Python wants', () => {
    const { yaml, config } = written('ties@density=1e-7@trim=tensor');
    expect(yaml).toContain('density: 1.0e-7\n');
    expect(config.models[0]!.parameters!.density).toBe(1e-7);
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, max: 1, noNaN: true }), (density) => {
        const found = written(`ties@density=${density}`);
        expect(found.config.models[1]!.parameters!.density).toBe(density);
        // a number to Python: digits and a point, an exponent with a sign
        expect(found.yaml).toMatch(/ density: (\d+|\d+\.\d+(e[-+]\d+)?)\n/);
      }),
      { seed: 20 },
    );
  });

  it('notes names that mergekit would take apart', () => {
    const { notes } = written('ties', { base: 'models/base', models: ['a+b', 'runs@2/c'] });
    expect(notes.filter((note) => note.includes('model@revision+adapter'))).toEqual([
      expect.stringContaining('"a+b"'),
      expect.stringContaining('"runs@2/c"'),
    ]);
  });

  it('refuses as many models as the merge does', () => {
    expect(() => written('slerp', { ...MODELS, models: ['a', 'b', 'c'] })).toThrow(
      'slerp merges exactly 2 models here, got 3',
    );
    expect(() => written('linear@weights=1:2:3')).toThrow('linear merges exactly 3 models here, got 2');
  });
});
