import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeReference, type Reference } from '../../src/reference/index.js';
import { type HostTensor, type NamedTensors, readCheckpoint } from '../../src/tensors/index.js';

const FOLDER = join(import.meta.dirname, '../../../shared/fixtures/parity');

const read = (name: string): Promise<NamedTensors> => readCheckpoint(join(FOLDER, `${name}.safetensors`));

/** ‖A^T B‖_F² of two matrices [n, k]. */
function overlap(a: HostTensor, b: HostTensor): number {
  const [n, ka] = a.shape as [number, number];
  const kb = b.shape[1]!;
  let total = 0;
  for (let i = 0; i < ka; i++) {
    for (let j = 0; j < kb; j++) {
      let dot = 0;
      for (let row = 0; row < n; row++) dot += a.data[row * ka + i]! * b.data[row * kb + j]!;
      total += dot * dot;
    }
  }
  return total;
}

/** METRICS.md: means over the 2-D tensors of ‖U_A^T U_B‖_F / k, ‖V_A^T V_B‖_F / sqrt(k) and ‖V_A^T V_B‖_F² / k. */
function overlaps(a: Reference, b: Reference): Record<string, number> {
  let left = 0;
  let right = 0;
  let squared = 0;
  for (const [name, one] of a.subspaces) {
    const other = b.subspaces.get(name)!;
    left += Math.sqrt(overlap(one.left, other.left)) / one.k;
    right += Math.sqrt(overlap(one.right, other.right) / one.k);
    squared += overlap(one.right, other.right) / one.k;
  }
  const count = a.subspaces.size;
  return {
    subspace_overlap: left / count,
    right_subspace_overlap_top_k: right / count,
    interaction_matrix_overlap_top_k: squared / count,
  };
}

describe.skipIf(!existsSync(FOLDER))(
  "stored subspaces and the study's values (skipped where ../shared/fixtures/parity is absent)",
  () => {
    it.each(['a__b', 'a__c', 'b__c'])('agree to 1e-5 for %s', async (pair) => {
      const all = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8'));
      const base = await read('base');
      const [a, b] = await Promise.all(
        pair.split('__').map(async (name) => makeReference({ name, base, model: await read(name) })),
      );
      for (const [metric, value] of Object.entries(overlaps(a!, b!))) {
        expect(Math.abs(value - all[pair][metric]), metric).toBeLessThan(1e-5);
      }
    });
  },
);
