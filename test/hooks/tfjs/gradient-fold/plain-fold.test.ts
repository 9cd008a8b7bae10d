import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { PlainFold } from '../../../../hooks/tfjs/gradient-fold/plain-fold.js';
import { openBackend } from '../../../../src/backend/index.js';
import { FullDevice } from '../reference-memory/full-device.js';
import { FoldCase } from './fold-case.js';

beforeAll(() => openBackend('wasm'));

it('a plain fold takes less than the gradients twice for a while, in many chunks', () => {
  const sizes = new Array(64).fill(128);
  const bytes = 64 * 128 * Float32Array.BYTES_PER_ELEMENT;
  const folding = new FoldCase(
    { name: 'plain', make: (sources) => new PlainFold(sources) },
    { sizes, decay: 0.9, chunk: 512 },
  );
  const device = new FullDevice();
  const before = tf.memory().numBytes;
  let most = 0;
  device.fails = () => {
    most = Math.max(most, tf.memory().numBytes - before);
    return false;
  };
  folding.rehearse();
  device.restore();
  folding.dispose();
  // tfjs counts what is reshaped once more.
  expect(most).toBeGreaterThan(2 * bytes);
  expect(most).toBeLessThan(3 * bytes);
});
