import { makeReference, type Reference, type ReferenceOptions } from '../../src/reference/index.js';
import type { HostTensor, NamedTensors } from '../../src/tensors/index.js';

/** Numbers in -1..1 from a seed (a linear congruential generator). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

export function randomTensor(shape: number[], next: () => number, scale = 1): HostTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return { shape, data: Float32Array.from({ length }, () => next() * scale) };
}

/** A small model: two matrices, one of which fine-tuning leaves alone, a bias and a convolution. */
export function smallPair(seed = 1): { base: NamedTensors; model: NamedTensors } {
  const next = seeded(seed);
  const base = new Map([
    ['wide.weight', randomTensor([4, 6], next)],
    ['frozen.weight', randomTensor([3, 2], next)],
    ['wide.bias', randomTensor([4], next)],
    ['conv.weight', randomTensor([2, 1, 3, 3], next)],
  ]);
  const model = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of base) {
    const step = name.startsWith('frozen') ? 0 : 0.1;
    model.set(name, { shape, data: data.map((value) => value + step * next()) });
  }
  return { base, model };
}

/** A reference that lacks nothing. */
export function fullReference(overrides: Partial<ReferenceOptions> = {}): Reference {
  const next = seeded(2);
  const { base, model } = smallPair();
  const gradient = new Map([...base].map(([name, { shape }]) => [name, randomTensor([...shape], next)]));
  return makeReference({
    name: 'eurosat',
    base,
    model,
    head: new Map([['head.weight', randomTensor([10, 4], next)]]),
    gradient,
    gradientRecipe: {
      kind: 'calibration',
      batch: 64,
      reduction: 'mean',
      clipped: false,
      accumulated: 1,
      lossScale: 1,
    },
    calibration: { images: randomTensor([3, 2, 2], next), labels: Int32Array.of(0, 9, 4) },
    inputGradient: randomTensor([2, 2, 2], next),
    accuracy: 0.93,
    loss: 0.21,
    tensorMap: { 'wide.weight': 'wide/kernel' },
    madeBy: { steps: 300, optimiser: { name: 'adamw', rate: 1e-3 } },
    ...overrides,
  });
}

/** A reference of an adapter of rank 2: one matrix as factors, one left alone, a bias and a convolution that moved. */
export function adapterReference(): Reference {
  const { name, baseHash, tensors, ...rest } = fullReference();
  const next = seeded(3);
  const factors = new Map([
    ['wide.weight', { left: randomTensor([4, 2], next), right: randomTensor([2, 6], next) }],
  ]);
  const tau = new Map([...rest.tau].filter(([key]) => key.endsWith('bias') || key.startsWith('conv')));
  const norms = rest.norms.map((norm, t) => (tensors[t]!.name.startsWith('frozen') ? 0 : norm));
  return { ...rest, name, baseHash, tensors, tau, factors, norms, bottoms: new Map() };
}
