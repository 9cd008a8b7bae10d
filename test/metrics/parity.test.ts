import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  computePairMetrics,
  type HostModel,
  hostStatistics,
  type NumericTensors,
  type PairMetrics,
} from '../../src/metrics/index.js';
import { parseSafetensors } from '../../src/tensors/index.js';
import { mapTensors, RECIPE } from './models.js';

const folder = resolve(fileURLToPath(import.meta.url), '../../../../shared/fixtures/parity');
const absent = !existsSync(folder);
const title = absent
  ? 'parity with the published implementation (skipped: ../shared/fixtures/parity is not there)'
  : 'parity with the published implementation';

function read(file: string): NumericTensors {
  const { tensors } = parseSafetensors(readFileSync(resolve(folder, `${file}.safetensors`)), file);
  return tensors as NumericTensors;
}

/** The float32 weights minus those of the base, in float64. The fixture counts `head.weight` as shared. */
function tau(file: string): HostModel {
  const base = read('base');
  return { taskVector: mapTensors(read(file), (value, i, name) => value - base.get(name)!.data[i]!) };
}

function pair(live: HostModel, reference: HostModel): PairMetrics {
  return computePairMetrics(hostStatistics({ live, references: [{ ...reference, name: 'other' }] }), 0);
}

function expectRelative(found: number | null, expected: number, name: string): void {
  expect(found, name).not.toBeNull();
  expect(Math.abs(found! / expected - 1), `${name}: ${found}, ${expected}`).toBeLessThan(1e-9);
}

describe.skipIf(absent)(title, () => {
  const all: Record<string, Record<string, number>> = absent
    ? {}
    : JSON.parse(readFileSync(resolve(folder, 'expected.json'), 'utf8'));

  it.each(Object.keys(all))('%s: weight metrics to 1e-9', (key) => {
    const [a, b] = key.split('__') as [string, string];
    const found = pair(tau(a), tau(b));
    const names = Object.keys(all[key]!).filter((name) => !name.startsWith('vector_'));
    expect(names).toHaveLength(18);
    for (const name of names) {
      expectRelative(found[name]!.value, all[key]![name]!, name);
    }
  });

  it.each(Object.keys(all))('%s: vector metrics, as gradients and as task vectors, to 1e-9', (key) => {
    const [a, b] = key.split('__') as [string, string];
    const vectors = read('vectors');
    const model = (name: string) => {
      const tensors = new Map([['g', vectors.get(name)!]]);
      return { taskVector: tensors, gradient: { tensors, recipe: RECIPE } };
    };
    const found = pair(model(a), model(b));
    for (const name of ['cosine_similarity', 'l2_distance', 'dot_product']) {
      expectRelative(found[`encoder_gradient_${name}`]!.value, all[key]![`vector_${name}`]!, name);
      expectRelative(found[`task_vector_${name}`]!.value, all[key]![`vector_${name}`]!, name);
    }
    const ratio = found.task_vector_magnitude_ratio!.value;
    expectRelative(ratio, all[key]!.vector_magnitude_ratio!, 'magnitude_ratio');
  });
});
