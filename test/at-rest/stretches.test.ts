import { afterAll, describe, expect, it } from 'vitest';
import type { ModelAtRest } from '../../src/at-rest/model.js';
import { NamedCheckpoint } from '../../src/at-rest/named-checkpoint.js';
import { openModels } from '../../src/at-rest/open-models.js';
import { tensorSums } from '../../src/at-rest/tensor-sums.js';
import { tiedTensors } from '../../src/at-rest/tied.js';
import { Workers } from '../../src/at-rest/workers.js';
import { Random } from '../../src/tensors/index.js';
import { disk, type Tensors } from './models-on-disk.js';

const workers = new Workers(1);
afterAll(() => workers.close());

describe('a tensor that is read stretch by stretch', () => {
  // Values of two models that are in memory at a time; see tensor-sums.ts.
  const STRETCH = 2 ** 22;

  it('is summed to its end, every value once', async () => {
    const size = STRETCH + 3;
    const asked: (readonly number[])[] = [];
    const model = (factor: number): ModelAtRest => ({
      name: `${factor}`,
      path: '',
      kind: 'reference',
      task: '',
      shapes: new Map(),
      excluded: [],
      baseHash: null,
      form: () => 'dense',
      tau: async (_, range) => {
        asked.push([factor, range!.start, range!.count]);
        // Whole numbers, so that sums are exact.
        return Float32Array.from({ length: range!.count }, (_, i) => factor * ((range!.start + i) % 5));
      },
      weights: () => null,
      factors: () => Promise.reject(new Error('no factors')),
      storedParts: async () => undefined,
      close: async () => undefined,
    });
    const tensor = { name: 'w', shape: [size] };
    const found = await tensorSums(tensor, [model(1), model(3)], [[0, 1]], null, workers);
    // 0 + 1 + 4 + 9 + 16 for every five values
    let squares = 30 * Math.floor(size / 5);
    for (let i = size - (size % 5); i < size; i++) squares += (i % 5) ** 2;
    expect(found).toEqual({
      norms: Float64Array.of(squares, 9 * squares),
      dots: Float64Array.of(3 * squares),
      distances: Float64Array.of(4 * squares),
    });
    expect(asked).toEqual([
      [1, 0, STRETCH],
      [3, 0, STRETCH],
      [1, STRETCH, 3],
      [3, STRETCH, 3],
    ]);
  });
});

describe('matrices that are equal in their first stretches', () => {
  const { write } = disk();
  const shape = [1025, 1024];
  const random = new Random('large');
  const values = random.normals(shape[0]! * shape[1]!);
  const pair = (last: number): Tensors => {
    const other = values.slice();
    other[other.length - 1]! += last;
    return new Map([
      ['a.weight', { shape, data: values }],
      ['b.weight', { shape, data: other }],
    ]);
  };

  it.each<[string, number, number, string[]]>([
    ['to the end', 0, 0, ['b.weight']],
    ['in the base alone', 0, 1, []],
    ['in the model alone', 1, 0, []],
  ])('are tied only where they are equal %s', async (name, inBase, inModel, tied) => {
    const base = await NamedCheckpoint.open(await write(`${name}/base`, pair(inBase)), false);
    const path = await write(`${name}/model`, pair(inModel));
    const models = await openModels([{ name: 'model', path }], base, false);
    const tensors = ['a.weight', 'b.weight'].map((key) => ({ name: key, shape }));
    const found = await tiedTensors(base, models, tensors);
    expect([...found.keys()]).toEqual(tied);
    await Promise.all([base, ...models].map((each) => each.close()));
  });
});
