import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { isMap, isPair, isScalar, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { loadConfig, parseConfig, resolveConfig } from '../../src/guard/config.js';
import { configJsonSchema, configSchema } from '../../src/guard/config-schema.js';
import { RULES } from '../../src/guard/rules/index.js';
import { TERMS } from '../../src/steering/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'mergeguard-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shipped = new URL('../../config/guard.yaml', import.meta.url);
const shippedSchema = new URL('../../config/guard.schema.json', import.meta.url);

/** The message with which `text` is refused. */
function refusal(text: string): string {
  try {
    parseConfig(text, 'guard.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(MergeguardError);
    return (error as Error).message;
  }
  throw new Error(`was accepted: ${text}`);
}

describe('config/guard.yaml', () => {
  const text = readFileSync(shipped, 'utf8');

  it('holds every option with its default', () => {
    // what is written there, not what the defaults would fill in
    expect(parseDocument(text).toJS()).toEqual(resolveConfig());
    expect(parseConfig(text, 'guard.yaml')).toEqual(resolveConfig());
  });

  it('says something about every option', () => {
    const silent: string[] = [];
    visit(parseDocument(text), {
      Pair(_, pair) {
        if (isPair(pair) && isScalar(pair.value) && !pair.value.comment) {
          silent.push(String(pair.key));
        }
        return isMap(pair.value) ? undefined : visit.SKIP;
      },
    });
    expect(silent).toEqual([]);
  });

  it('has its JSON Schema beside it', () => {
    // when this fails: write configJsonSchema() to the file and format it with `npm run format`
    expect(JSON.parse(readFileSync(shippedSchema, 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(z.toJSONSchema(configSchema, { io: 'input' }))),
    );
    expect(configJsonSchema()).toEqual(z.toJSONSchema(configSchema, { io: 'input' }));
  });

  it('has a section for every rule and every term', () => {
    const config = resolveConfig();
    expect(Object.keys(config.alerts)).toEqual(Object.keys(RULES));
    expect(Object.keys(config.steering)).toEqual([
      ...TERMS.map(({ name }) => name),
      'fadeSteps',
      'controller',
    ]);
  });
});

describe('reading a configuration', () => {
  it.each([
    ['an empty file', ''],
    ['comments only', '# nothing\n'],
    ['a null document', '---\n'],
    ['an empty section', 'tap: {}\n'],
  ])('%s is the defaults', (_, text) => {
    expect(parseConfig(text, 'guard.yaml')).toEqual(resolveConfig());
  });

  it('fills in what is left out', () => {
    const config = parseConfig('overhead: 0.05\nalerts: {accuracy: {below: 0.8}}\n', 'guard.yaml');
    expect(config).toEqual(resolveConfig({ overhead: 0.05, alerts: { accuracy: { below: 0.8 } } }));
    expect(config.alerts.accuracy).toEqual({
      enabled: true,
      level: 'warning',
      coolDownSteps: 200,
      below: 0.8,
      clearAbove: 0.87,
    });
  });

  it('takes numbers where `auto` stands, lists where `all` stands, null where nothing is wanted', () => {
    const text =
      'tap: {every: 25}\nmethods: [ties]\nfingerprint: null\nsteering: {scale_jitter: {strength: 1}}';
    const config = parseConfig(text, 'guard.yaml');
    expect(config.tap.every).toBe(25);
    expect(config.methods).toEqual(['ties']);
    expect(config.fingerprint).toBeNull();
    expect(config.steering.scale_jitter).toMatchObject({ strength: 1, low: 0.5, high: 1.2, every: 1 });
  });

  it('reads a file, and the defaults where there is none to read', () => {
    const path = join(folder, 'mine.yaml');
    writeFileSync(path, 'run: mine\n');
    expect(loadConfig(path).run).toBe('mine');
    expect(loadConfig()).toEqual(resolveConfig());
  });
});

describe('bad input', () => {
  it.each([
    [
      'an unknown option',
      'alerts:\n  accuracy:\n    belw: 0.8',
      'guard.yaml: one option is wrong:\n  - line 3: alerts.accuracy.belw is unknown; did you mean alerts.accuracy.below?',
    ],
    ['an option in the wrong section', 'below: 0.8', 'below is unknown; did you mean alerts.accuracy.below?'],
    ['an option in another case', 'selfprobe: {}', 'did you mean selfProbe?'],
    ['an unknown term', 'steering: {scale_jiter: {}}', 'did you mean steering.scale_jitter?'],
    [
      'an unknown term of the controller',
      'steering: {controller: {terms: [sharpness, sharp]}}',
      'steering.controller.terms[1] is "sharp", which is no term; known are merge_simulation, scale_jitter, sharpness,',
    ],
    [
      'a strength that two would set',
      'steering: {merge_simulation: {strength: 0.5}, controller: {enabled: true}}',
      'steering.merge_simulation.strength is 0.5, but the controller sets it (steering.controller.terms); leave one of the two out',
    ],
    [
      'a rate out of range',
      'steering: {controller: {maximumRate: 2}}',
      'steering.controller.maximumRate is 2',
    ],
    [
      'an option like none',
      'tap: {frobnicate: 1}',
      'tap.frobnicate is unknown; known here: every, minimumEvery, foldStride, gradientDecay, powerIterations, deviceMemory, k',
    ],
    [
      'a text for a number',
      'alerts:\n  accuracy:\n    below: "0,85"',
      'line 3: alerts.accuracy.below is "0,85" (string), but must be a number of at least 0 and at most 1',
    ],
    [
      'a number out of range',
      'overhead: 2',
      'overhead is 2 (number), but must be a number of at least 0 and at most 0.5',
    ],
    [
      'merge methods that there are none of, or that do not merge two',
      'mergeProbe:\n  methods: [weight_avg, tsies, ties@density=3]',
      'line 2: mergeProbe.methods[1] is "tsies": unknown merge method',
    ],
    [
      'a merge of more models than two',
      'mergeProbe: {methods: ["linear@weights=1:1:1"]}',
      'mergeProbe.methods[0] is "linear@weights=1:1:1", which merges 3 models; a probe merges two',
    ],
    [
      'a merge method’s parameter out of range',
      'mergeProbe: {methods: [ties@density=3]}',
      'mergeProbe.methods[0] is "ties@density=3": parameters of merge method ties',
    ],
    [
      'a fraction for a count',
      'tap: {every: 2.5}',
      'tap.every is 2.5 (number), but must be "auto" or an integer of at least 1',
    ],
    [
      'a word that is no choice',
      'gradient: {reduction: average}',
      'gradient.reduction is "average" (string), but must be "mean" or "sum"',
    ],
    ['yes for true', 'strict: yes', 'strict is "yes" (string), but must be true or false'],
    ['not a number', 'overhead: .nan', 'overhead is NaN (number), but must be a number'],
    ['an empty list of methods', 'methods: []', 'methods is [] (list), but must be "all" or a list'],
    ['an empty section', 'tap:\n', 'line 1: tap is empty (null), but must be a section with options'],
    ['a list at the top', '- tap', 'the configuration is ["tap"] (list), but must be a section'],
    [
      'thresholds the wrong way round',
      'alerts:\n  accuracy:\n    clearAbove: 0.1',
      'line 3: alerts.accuracy.clearAbove is 0.1, but must be at least alerts.accuracy.below (0.85)',
    ],
    [
      'thresholds the wrong way round, one of them a default',
      'alerts:\n  trend:\n    drop: 0.005',
      'line 2: alerts.trend.clearDrop is 0.01, but must be at most alerts.trend.drop (0.005)',
    ],
    ['a key twice', 'run: a\nrun: b', 'guard.yaml is not valid YAML:\n  - line 2: Map keys must be unique'],
    ['a broken line', 'tap: [', 'guard.yaml is not valid YAML:\n  - line 1:'],
    ['an unknown tag', 'run: !secret x', 'line 1: Unresolved tag: !secret'],
    ['an alias to nowhere', 'run: *x', 'guard.yaml is not valid YAML: Unresolved alias'],
  ])('%s', (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it('tells all problems at once, in the order of the file', () => {
    const text = 'strict: 1\ntap: {k: 0}\nmethod: ties\nalerts: {trend: {level: loud}}';
    expect(refusal(text).split('\n')).toEqual([
      'guard.yaml: 4 options are wrong:',
      '  - line 1: strict is 1 (number), but must be true or false',
      '  - line 2: tap.k is 0 (number), but must be an integer of at least 1 and at most 64',
      '  - line 3: method is unknown; did you mean methods?',
      '  - line 4: alerts.trend.level is "loud" (string), but must be "info" or "warning" or "error"',
    ]);
  });

  it('of a program is told without lines', () => {
    expect(() => resolveConfig({ overhead: 1 })).toThrow(
      'configuration: one option is wrong:\n  - overhead is 1 (number)',
    );
  });

  it('a file that is not there', () => {
    const path = join(folder, 'nowhere.yaml');
    expect(() => loadConfig(path)).toThrow(MergeguardError);
    expect(() => loadConfig(path)).toThrow(`can't read the configuration ${path}`);
  });

  it('no text at all makes anything but a configuration or a MergeguardError', () => {
    const known = [
      'tap',
      'every',
      'alerts',
      'accuracy',
      'below',
      'auto',
      '0.5',
      ':',
      ' ',
      '\n',
      '-',
      '[',
      '{',
      '&a',
      '*a',
    ];
    const text = fc.array(fc.oneof(fc.constantFrom(...known), fc.string())).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (made) => {
        try {
          expect(parseConfig(made, 'guard.yaml')).toHaveProperty('overhead');
        } catch (error) {
          expect(error).toBeInstanceOf(MergeguardError);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
