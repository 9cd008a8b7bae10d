import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checksumOf } from '../../src/fingerprint/checksum.js';
import {
  type Fingerprint,
  fingerprintJsonSchema,
  loadFingerprint,
  parseFingerprint,
  writeFingerprint,
} from '../../src/fingerprint/index.js';
import { exampleFingerprint } from './example.js';

describe('the fingerprint file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mergeguard-fingerprint-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is read as it was written', async () => {
    const path = join(folder, 'fp.json');
    await writeFingerprint(path, exampleFingerprint());
    expect(await loadFingerprint(path)).toEqual(exampleFingerprint());
  });

  it('may be formatted anew, but not changed', async () => {
    const path = join(folder, 'changed.json');
    await writeFingerprint(path, exampleFingerprint());
    const json = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify(json));
    await expect(loadFingerprint(path)).resolves.toBeDefined();
    json.methods.ties.variants[0].intercept = 0.99;
    await writeFile(path, JSON.stringify(json));
    await expect(loadFingerprint(path)).rejects.toThrow(/changed.json is refused: its checksum does not fit/);
  });

  const text = (change: object) => JSON.stringify({ ...exampleFingerprint(), ...change });
  it.each<[string, string, RegExp]>([
    ['no JSON', '{"format":', /it is not JSON/],
    ['JSON null', 'null', /its format is undefined/],
    ['another format', text({ format: 'onnx' }), /its format is "onnx", not "mergeguard-fingerprint"/],
    ['a newer version', text({ version: 3 }), /it has version 3, this mergeguard reads version 2; update/],
    [
      'an older version',
      text({ version: 1 }),
      /it has version 1, this mergeguard reads version 2[\s\S]*fit it again/,
    ],
    ['a version that is no number', text({ version: '2' }), /malformed[\s\S]*version/],
    ['an unknown field', text({ colour: 'red' }), /malformed[\s\S]*colour/],
    ['a missing field', text({ level: undefined }), /malformed[\s\S]*level/],
    ['a wrong checksum', text({ checksum: '00' }), /checksum/],
  ])('is refused with a reason: %s', (_, content, message) => {
    expect(() => parseFingerprint(content, 'fp.json')).toThrow(message);
  });

  const spoilt = (change: (content: Fingerprint) => void) => {
    const { checksum: _, ...content } = exampleFingerprint();
    change(content as Fingerprint);
    return JSON.stringify({ ...content, checksum: checksumOf(content) });
  };
  it.each<[string, string, RegExp]>([
    [
      'no interval of its own level',
      spoilt((content) => {
        content.level = 0.9;
      }),
      /contradicts itself[\s\S]*ties, variant weights: no interval of the fingerprint's level 0.9; there are: 0.8, 0.95/,
    ],
    [
      'no such interval beside the self-probe',
      spoilt(({ methods }) => {
        methods.ties.variants[1].combined?.intervals.shift();
      }),
      /ties, variant weights, with the self-probe: no interval of the fingerprint's level 0.8; there are: 0.95/,
    ],
    [
      'no such interval of groups',
      spoilt(({ methods }) => {
        methods.ties.groups = { rows: 12, growth: 1, mae: 0.1, intervals: [{ level: 0.5, halfWidth: 0.1 }] };
      }),
      /ties, groups: no interval of the fingerprint's level 0.8; there are: 0.5/,
    ],
    [
      'a feature twice',
      spoilt(({ methods }) => {
        const { features } = methods.ties.variants[0];
        features.push(features[0], features[0]);
      }),
      /ties, variant weights\+gradients: the feature task_vector_cosine_similarity is there more than once$/,
    ],
    [
      'no variant that always applies',
      spoilt(({ methods }) => {
        methods.ties.variants.pop();
      }),
      /ties, variant weights: it is the last one, which must have no features, but has 2/,
    ],
    [
      'two that always apply',
      spoilt(({ methods }) => {
        methods.ties.variants.unshift(methods.ties.variants[2]);
      }),
      /ties, variant effects: it has no features, which only the last one may have/,
    ],
  ])('is refused though its checksum fits: %s', (_, content, message) => {
    expect(() => parseFingerprint(content, 'fp.json')).toThrow(message);
  });

  it.each(['1e999', '-1e999', 'null', '"NaN"'])('is refused with the number %s', (written) => {
    const json = JSON.stringify(exampleFingerprint()).replace('"intercept":0.9', `"intercept":${written}`);
    expect(() => parseFingerprint(json, 'fp.json')).toThrow(
      /malformed[\s\S]*methods.ties.variants.0.intercept/,
    );
  });

  it('lists ten of many problems', () => {
    const { format, version } = exampleFingerprint();
    const variants = Array(12).fill({});
    const broken = { format, version, methods: { ties: { variants } } };
    let message = '';
    try {
      parseFingerprint(JSON.stringify(broken), 'fp.json');
    } catch (error) {
      message = (error as Error).message;
    }
    const lines = message.split('\n');
    expect(lines[0]).toBe('the fingerprint fp.json is refused: it is malformed:');
    expect(lines).toHaveLength(12);
    expect(lines[11]).toMatch(/^ {2}- and \d+ more$/);
  });

  it('names every malformed field', () => {
    const broken = exampleFingerprint() as unknown as {
      methods: { ties: { variants: { rows: unknown }[] } };
    };
    broken.methods.ties.variants[1].rows = 'many';
    expect(() => parseFingerprint(JSON.stringify(broken), 'fp.json')).toThrow(/methods.ties.variants.1.rows/);
  });

  it('is not written when the fingerprint is no good', async () => {
    const bad = { ...exampleFingerprint(), level: 7 } as Fingerprint;
    await expect(writeFingerprint(join(folder, 'bad.json'), bad)).rejects.toThrow();
    await expect(loadFingerprint(join(folder, 'bad.json'))).rejects.toThrow(/bad.json can not be read/);
  });

  it('is not written when it contradicts itself', async () => {
    const path = join(folder, 'contradiction.json');
    await expect(writeFingerprint(path, exampleFingerprint({ level: 0.9 }))).rejects.toThrow(
      /the fingerprint example is not written, it contradicts itself:[\s\S]*level 0.9/,
    );
    expect(existsSync(path)).toBe(false);
  });

  it('lists the shipped ones for an unknown name', async () => {
    await expect(loadFingerprint('nosuch')).rejects.toThrow(/no fingerprint is called "nosuch"; shipped: /);
  });
});

describe('config/fingerprint.schema.json', () => {
  const text = readFileSync(new URL('../../config/fingerprint.schema.json', import.meta.url), 'utf8');
  const schema = z.fromJSONSchema(JSON.parse(text));

  it('is the schema in the code', () => {
    // when this fails: `npm run config:schema`, then `npm run format`
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(fingerprintJsonSchema())));
  });

  it('lets a fingerprint through', () => {
    expect(schema.safeParse(exampleFingerprint()).error).toBeUndefined();
  });

  it.each<[string, object]>([
    ['version', { version: 1 }],
    ['level', { level: 1 }],
    ['level', { level: undefined }],
    ['target', { target: 'accuracy' }],
    ['colour', { colour: 'red' }],
    ['methods', { methods: { ties: { ...exampleFingerprint().methods.ties, variants: [] } } }],
  ])('refuses a broken %s: %j', (field, change) => {
    const broken = JSON.parse(JSON.stringify({ ...exampleFingerprint(), ...change }));
    const { error } = schema.safeParse(broken);
    expect(error?.message).toContain(field);
  });
});

describe('checksumOf', () => {
  it('does not depend on the order of keys, and does on every value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(checksumOf(reversed)).toBe(checksumOf(value));
        expect(checksumOf({ ...value, more: 1 })).not.toBe(checksumOf({ ...value, more: 2 }));
      }),
      { seed: 5, numRuns: 100 },
    );
  });
});
