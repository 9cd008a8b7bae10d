import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Observation } from '../../src/guard/types.js';
import { decodeObservation, encodeObservation } from '../../src/guard/wire.js';
import type { GradientRecipe } from '../../src/metrics/pair-statistics.js';
import {
  encodeSafetensors,
  MergeguardError,
  parseSafetensors,
  type TensorInput,
} from '../../src/tensors/index.js';
import { observation } from '../server/support.js';

const count = fc.nat(1_000_000);
/** JSON has no minus zero */
const anyNumber = fc.double().map((value) => value + 0);
const fraction = fc.double({ min: 0, max: 2, noNaN: true }).map((value) => value + 0);
const cost = fc.option(anyNumber);

const recipe: fc.Arbitrary<GradientRecipe> = fc.record({
  kind: fc.constantFrom('ema', 'calibration'),
  batch: fc.option(count),
  reduction: fc.constantFrom('mean', 'sum'),
  clipped: fc.boolean(),
  accumulated: count,
  lossScale: anyNumber,
});

function cells(size: number): fc.Arbitrary<Float32Array | Float64Array> {
  const length = { minLength: size, maxLength: size };
  return fc.oneof(fc.float32Array(length), fc.float64Array(length));
}

/** numbers or sentences of some parts of the statistics */
const parts = <Value>(value: fc.Arbitrary<Value>) =>
  fc.record({ gradient: value, bottom: value, activation: value }, { requiredKeys: [] });

const observations: fc.Arbitrary<Observation> = fc.tuple(fc.nat(3), fc.nat(4)).chain(([R, T]) => {
  const lengths = (n: number) => ({ minLength: n, maxLength: n });
  const tensor = fc.record({ name: fc.string(), shape: fc.array(count, { maxLength: 4 }) });
  const turns = fc.record({
    measuredAt: fc.array(fc.option(count), lengths(R)),
    live: cells(R * T * 2),
  });
  const statistics = {
    run: fc.string(),
    step: count,
    time: fc.string(),
    references: fc.array(fc.string({ unit: 'grapheme' }), lengths(R)),
    tensors: fc.array(tensor, lengths(T)),
    pair: cells(R * T * 8),
    live: cells(T * 5),
    ref: cells(R * T * 5),
    functional: cells(R * 8),
    gradient: fc.option(recipe),
    referenceGradients: fc.array(fc.option(recipe), lengths(R)),
    absent: parts(fc.string()),
    referenceAbsent: fc.array(parts(fc.string()), lengths(R)),
    measuredAt: parts(count),
    selfProbe: fc.option(
      fc.record({
        scale: fraction,
        accuracy: fraction,
        scaledAccuracy: fraction,
        loss: anyNumber,
        scaledLoss: anyNumber,
        samples: count,
        step: count,
      }),
    ),
  };
  const always = Object.keys(statistics) as (keyof typeof statistics)[];
  return fc.record({
    statistics: fc.record({ ...statistics, turns }, { requiredKeys: always }),
    cost: fc.record({
      stepMs: cost,
      foldMs: cost,
      tickMs: cost,
      probeMs: cost,
      slowMs: cost,
      functionalMs: cost,
      termMs: cost,
      overhead: cost,
      every: fc.option(count),
    }),
    skipped: fc.record({ nonFinite: count, perturbed: count }),
  });
});

describe('an observation on the wire', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(observations, (given) => {
        const back = decodeObservation(encodeObservation(given));
        // records of fast-check have no prototype
        expect(back).toEqual(structuredClone(given));
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  it('is a small safetensors blob of four float32 tensors', () => {
    const bytes = encodeObservation(observation('r', 1));
    const { tensors } = parseSafetensors(bytes);
    const shapes = [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]);
    expect(shapes.sort()).toEqual([
      ['functional', 'F32', [1, 8]],
      ['live', 'F32', [1, 5]],
      ['pair', 'F32', [1, 1, 8]],
      ['ref', 'F32', [1, 1, 5]],
    ]);
    expect(bytes.length).toBeLessThan(2000);
  });

  it('is refused when it is cut or garbled, always with an error of ours', () => {
    const bytes = encodeObservation(observation('r', 1));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        expect(() => decodeObservation(bytes.subarray(0, at))).toThrow(MergeguardError);
        const garbled = bytes.slice();
        garbled[at] = value;
        try {
          decodeObservation(garbled);
        } catch (error) {
          expect(error).toBeInstanceOf(MergeguardError);
        }
      }),
      { numRuns: 500, seed: 9 },
    );
  });

  it('is not written when its arrays do not fit', () => {
    const given = observation('r', 1);
    const statistics = { ...given.statistics, live: new Float32Array(3) };
    expect(() => encodeObservation({ ...given, statistics })).toThrow(
      'tensor "live" is [1, 5], 5 values, but has 3',
    );
  });

  it('says what is wrong with turns', () => {
    const given = observation('r', 1);
    const turns = { measuredAt: [null], live: new Float32Array(2).fill(Number.NaN) };
    const bytes = encodeObservation({ ...given, statistics: { ...given.statistics, turns } });
    const { metadata, tensors } = parseSafetensors(bytes);
    const rest = JSON.parse(metadata.observation!);
    const again = (text: object, kept: [string, TensorInput][]) => () =>
      decodeObservation(encodeSafetensors(new Map(kept), { observation: JSON.stringify(text) }));
    const all = [...tensors];
    const others = all.filter(([name]) => name !== 'turns');
    expect(again(rest, all)().statistics.turns).toEqual(turns);
    expect(again({ ...rest, turns: undefined }, all)).toThrow('a tensor "turns", but no turns.measuredAt');
    expect(again(rest, others)).toThrow('tensor "turns" [1, 1, 2] is missing');
    expect(again({ ...rest, turns: { measuredAt: [1, 2] } }, all)).toThrow(
      '2 turns.measuredAt for 1 references',
    );
  });

  it('names every problem at once', () => {
    const { metadata } = parseSafetensors(encodeObservation(observation('r', 1)));
    const rest = JSON.parse(metadata.observation!);
    const text = JSON.stringify({ ...rest, referenceGradients: [], referenceAbsent: [] });
    const tensors = new Map([
      ['live', { shape: [2, 4], data: new Float32Array(8) }],
      ['pair', { shape: [1, 1, 8], data: new Int32Array(8) }],
      ['extra', { shape: [1], data: new Float32Array(1) }],
    ]);
    expect(() => decodeObservation(encodeSafetensors(tensors, { observation: text }))).toThrow(
      [
        'the observation is wrong:',
        '  - tensor "extra" is unknown, known are pair, live, ref, functional, turns',
        '  - 0 referenceGradients for 1 references',
        '  - 0 referenceAbsent for 1 references',
        '  - tensor "pair" is I32, but must be F32 or F64',
        '  - tensor "live" is [2, 4], but must be [1, 5]',
        '  - tensor "ref" [1, 1, 5] is missing',
        '  - tensor "functional" [1, 8] is missing',
      ].join('\n'),
    );
  });

  it('is refused without metadata, and with metadata that is wrong', () => {
    const none = new Map();
    expect(() => decodeObservation(encodeSafetensors(none))).toThrow('no metadata "observation"');
    expect(() => decodeObservation(encodeSafetensors(none, { observation: '{"step": NaN}' }))).toThrow(
      'not JSON',
    );
    expect(() => decodeObservation(encodeSafetensors(none, { observation: '{"step": -1}' }))).toThrow(
      'step: ',
    );
  });
});
