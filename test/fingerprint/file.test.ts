import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksumOf } from '../../src/fingerprint/checksum.js';
import {
  type Fingerprint,
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
    ['a newer version', text({ version: 2 }), /it has version 2, this mergeguard reads up to 1; update/],
    ['an unknown field', text({ colour: 'red' }), /malformed[\s\S]*colour/],
    ['a missing field', text({ level: undefined }), /malformed[\s\S]*level/],
    ['a wrong checksum', text({ checksum: '00' }), /checksum/],
  ])('is refused with a reason: %s', (_, content, message) => {
    expect(() => parseFingerprint(content, 'fp.json')).toThrow(message);
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

  it('lists the shipped ones for an unknown name', async () => {
    await expect(loadFingerprint('nosuch')).rejects.toThrow(/no fingerprint is called "nosuch"; shipped: /);
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
