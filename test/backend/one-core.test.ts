import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { attach } from '../../hooks/tfjs/index.js';
import { openBackend } from '../../src/backend/index.js';
import { checkOneCore } from '../../src/backend/one-core.js';
import { MergeguardError } from '../../src/tensors/errors.js';

const require = createRequire(import.meta.url);
const own = dirname(require.resolve('@tensorflow/tfjs-core/package.json'));
const packages = dirname(dirname(own));

/** A program's folder whose tfjs-core is a copy that says it is 4.21.0, all else being mergeguard's. */
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'two-cores-')));
afterAll(() => rmSync(folder, { recursive: true }));
const copy = join(folder, 'node_modules', '@tensorflow', 'tfjs-core');
const other = join(folder, 'node_modules', '@tensorflow', 'tfjs');
mkdirSync(dirname(copy), { recursive: true });
for (const part of ['package.json', 'dist/tf-core.node.js']) {
  cpSync(join(own, part), join(copy, part));
}
writeFileSync(
  join(copy, 'package.json'),
  readFileSync(join(copy, 'package.json'), 'utf8').replace('4.22.0', '4.21.0'),
);
mkdirSync(other);
cpSync(join(packages, '@tensorflow', 'tfjs', 'package.json'), join(other, 'package.json'));
for (const name of ['long', 'seedrandom', 'node-fetch', 'whatwg-url', 'tr46', 'webidl-conversions']) {
  symlinkSync(join(packages, name), join(folder, 'node_modules', name));
}

function refusal(work: () => void): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was not refused');
}

describe('two copies of tfjs-core', () => {
  it('are refused before the second is loaded, with both paths and versions', () => {
    checkOneCore(join(packages, '@tensorflow', 'tfjs', 'package.json'));
    const error = refusal(() => checkOneCore(join(folder, 'train.js')));
    expect(error).toBeInstanceOf(MergeguardError);
    expect(error.message).toContain(`${realpathSync(own)} (4.22.0) is mergeguard's`);
    expect(error.message).toContain(`${copy} (4.21.0) is what ${join(folder, 'train.js')} would load`);
    expect(error.message).toContain('npm dedupe');
  });

  it('are refused where the program has loaded the second already, whatever the backend', async () => {
    await openBackend('cpu');
    createRequire(join(folder, 'train.js'))('@tensorflow/tfjs-core');
    for (const name of ['cpu', 'auto'] as const) {
      const error = await openBackend(name).catch((each: unknown) => each);
      expect(error).toBeInstanceOf(MergeguardError);
      expect((error as Error).message).toContain(`${realpathSync(own)} (4.22.0) is mergeguard's`);
      expect((error as Error).message).toContain(`${copy} (4.21.0) was loaded by the program`);
    }
  });

  it('are refused by a guard too, where the program opened its backend itself', async () => {
    createRequire(join(folder, 'train.js'))('@tensorflow/tfjs-core');
    const weights = { w: tf.variable(tf.ones([2, 2])) };
    await expect(attach(tf.train.sgd(0.1), { weights, references: [] })).rejects.toThrow(
      `${copy} (4.21.0) was loaded by the program`,
    );
    tf.dispose(weights);
  });
});
