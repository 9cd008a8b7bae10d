import { describe, expect, it } from 'vitest';
import { combine, inverseVarianceShares, linearShare } from '../../src/fingerprint/combine.js';
import type { HeldOut } from '../../src/fingerprint/cross-validate.js';
import { bootstrapFigures, coverageOf, errorsOf, figuresOf } from '../../src/fingerprint/figures.js';
import { Random } from '../../src/tensors/random.js';

let id = 0;

/** Held-out rows of a fold, predicted and actual, each with a partner of its own. */
function fold(name: string, rows: readonly (readonly [predicted: number, actual: number])[]): HeldOut[] {
  return rows.map(([predicted, outcome], i) => ({
    fold: name,
    example: {
      id: id++,
      taskA: name,
      taskB: `${name}'s partner ${i}`,
      checkpoint: null,
      values: [],
      outcome,
    },
    predicted,
  }));
}

/** Folds whose residuals have a part in common of deviation `offset`, and another of deviation `within`. */
function drawn(seed: number, { folds, offset, within }: { folds: number; offset: number; within: number }) {
  const random = new Random('figures', seed);
  return Array.from({ length: folds }, (_, f) => {
    const common = offset * random.normal();
    return fold(
      `task ${f}`,
      Array.from({ length: 12 }, () => {
        const outcome = 0.9 + 0.05 * random.normal();
        return [outcome + common + within * random.normal(), outcome] as const;
      }),
    );
  }).flat();
}

describe('the figures of held-out rows', () => {
  const a = fold('a', [
    [0.9, 0.8],
    [0.8, 0.7],
    [0.7, 0.6],
  ]);
  const b = fold('b', [
    [0.6, 0.9],
    [0.7, 0.8],
    [0.8, 0.7],
    [0.9, 0.6],
  ]);

  it('are the mean correlation inside a fold and the mean absolute error of all rows', () => {
    expect(figuresOf(a).r).toBeCloseTo(1, 12);
    expect(figuresOf(b).r).toBeCloseTo(-1, 12);
    const { r, mae } = figuresOf([...a, ...b]);
    // a mean over the two folds, though one has more rows
    expect(r).toBeCloseTo(0, 12);
    expect(mae).toBeCloseTo((3 * 0.1 + 0.3 + 0.1 + 0.1 + 0.3) / 7, 12);
  });

  it('leave out the correlation of a fold that has none, and say null where no fold has one', () => {
    const flat = fold('flat', [
      [0.9, 0.8],
      [0.8, 0.8],
      [0.7, 0.8],
    ]);
    const two = fold('two', [
      [0.9, 0.8],
      [0.8, 0.9],
    ]);
    expect(figuresOf([...a, ...flat, ...two]).r).toBeCloseTo(1, 12);
    expect(figuresOf([...flat, ...two]).r).toBeNull();
  });
});

describe('the errors of held-out rows', () => {
  it('are all offset where a whole fold is off by the same, all within where its mean is right', () => {
    const shifted = [
      ...fold('a', [
        [0.85, 0.8],
        [0.75, 0.7],
      ]),
      ...fold('b', [
        [0.55, 0.6],
        [0.65, 0.7],
      ]),
    ];
    const { deviation, offset, within } = errorsOf(shifted);
    expect(deviation).toBeCloseTo(0.05, 12);
    expect(offset).toBeCloseTo(0.05, 12);
    expect(within).toBeCloseTo(0, 12);
    const scattered = [
      ...fold('a', [
        [0.85, 0.8],
        [0.65, 0.7],
      ]),
      ...fold('b', [
        [0.65, 0.6],
        [0.65, 0.7],
      ]),
    ];
    expect(errorsOf(scattered).offset).toBeCloseTo(0, 12);
    expect(errorsOf(scattered).within).toBeCloseTo(0.05, 12);
  });

  it('find the deviations that residuals were drawn with, and their squares add up', () => {
    for (const [seed, offset, within] of [
      [1, 0.04, 0.02],
      [2, 0.01, 0.05],
    ]) {
      const errors = errorsOf(drawn(seed, { folds: 300, offset, within }));
      expect(Math.abs(errors.offset / offset - 1)).toBeLessThan(0.2);
      expect(Math.abs(errors.within / within - 1)).toBeLessThan(0.05);
      expect(errors.offset ** 2 + errors.within ** 2).toBeCloseTo(errors.deviation ** 2, 12);
    }
  });

  it('take a checkpoint of a task for a run of its own', () => {
    // two runs of one task, one 0.1 too high and one 0.1 too low: nothing is left within a run
    const rows = [0.9, 0.9, 0.7, 0.7].map((predicted, i): HeldOut => {
      const example = { id: i, taskA: 'a', taskB: `partner ${i}`, values: [], outcome: 0.8 };
      return { fold: 'a', example: { ...example, checkpoint: i < 2 ? 'seed 1' : 'seed 2' }, predicted };
    });
    expect(errorsOf(rows).within).toBeCloseTo(0, 12);
    expect(errorsOf(rows).offset).toBeCloseTo(0.1, 12);
    const oneRun = rows.map((row) => ({ ...row, example: { ...row.example, checkpoint: 'seed 1' } }));
    expect(errorsOf(oneRun).offset).toBeCloseTo(0, 6);
  });

  it('are numbers for one row, and zero for a prediction that is right', () => {
    expect(errorsOf(fold('a', [[0.8, 0.7]])).deviation).toBeCloseTo(0.1, 12);
    expect(errorsOf(fold('a', [[0.7, 0.7]]))).toEqual({ deviation: 0, offset: 0, within: 0 });
  });
});

describe('the coverage of held-out rows', () => {
  const row = (name: string, a: string, b: string, error: number): HeldOut => ({
    fold: name,
    example: { id: id++, taskA: a, taskB: b, checkpoint: null, values: [], outcome: 0.8 },
    predicted: 0.8 + error,
  });

  it('holds every fold against the rows without its task, on either side', () => {
    // inside for a: 0.03 of c-d; not the 0.5 of b-a, which has the task
    const rows = [
      row('a', 'a', 'b', 0.02),
      row('a', 'a', 'c', 0.04),
      row('b', 'b', 'a', 0.5),
      row('c', 'c', 'd', 0.03),
    ];
    // a: 0.02 in and 0.04 out of 0.03; b: 0.5 out of 0.04; c: 0.03 in 0.5
    expect(coverageOf(rows, 0.8)).toBeCloseTo(2 / 4, 12);
  });

  it('is not known where every row has the task', () => {
    expect(coverageOf([row('a', 'a', 'b', 0.1), row('b', 'a', 'b', 0.1)], 0.8)).toBeNull();
  });
});

describe('the bootstrap over tasks', () => {
  const full = drawn(5, { folds: 15, offset: 0.02, within: 0.02 });
  const worse = full.map((each) => ({ ...each, predicted: each.predicted + 0.05 }));

  it('contains the figures themselves and is the same again', () => {
    const bootstrap = bootstrapFigures(full, worse);
    expect(bootstrapFigures(full, worse)).toEqual(bootstrap);
    const { r, mae } = figuresOf(full);
    const gain = figuresOf(worse).mae - mae;
    for (const [point, span] of [
      [r, bootstrap.r],
      [mae, bootstrap.mae],
      [gain, bootstrap.gain],
    ] as const) {
      const [low, high] = span as [number, number];
      expect(low).toBeLessThan(point as number);
      expect(high).toBeGreaterThan(point as number);
    }
    expect(bootstrap.level).toBe(0.9);
  });

  it('compares both on the same tasks, so that a gain that all have alike is known to a hair', () => {
    const off = full.map((each) => {
      const direction = Math.sign(each.predicted - each.example.outcome);
      return { ...each, predicted: each.predicted + 0.01 * direction };
    });
    const [low, high] = bootstrapFigures(full, off).gain as [number, number];
    expect(low).toBeCloseTo(0.01, 9);
    expect(high).toBeCloseTo(0.01, 9);
  });

  it('covers the figure of many tasks about as often as it says', () => {
    const truth = figuresOf(drawn(0, { folds: 3000, offset: 0.02, within: 0.02 })).mae;
    let inside = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const [low, high] = bootstrapFigures(drawn(seed, { folds: 15, offset: 0.02, within: 0.02 }), null).mae;
      inside += low <= truth && truth <= high ? 1 : 0;
    }
    expect(inside).toBeGreaterThanOrEqual(22);
    expect(inside).toBeLessThan(30);
  });

  it('gets narrower with more tasks', () => {
    const width = (folds: number) => {
      const [low, high] = bootstrapFigures(drawn(6, { folds, offset: 0.02, within: 0.02 }), null).mae;
      return high - low;
    };
    expect(width(160)).toBeLessThan(0.6 * width(10));
  });

  it('says above zero for a gain that every task has, below for a loss, null where there is nothing to compare', () => {
    expect(bootstrapFigures(full, worse).gain?.[0]).toBeGreaterThan(0);
    expect(bootstrapFigures(worse, full).gain?.[1]).toBeLessThan(0);
    expect(bootstrapFigures(full, null).gain).toBeNull();
    const flat = fold('flat', [[0.9, 0.8]]);
    expect(bootstrapFigures(flat, null)).toMatchObject({
      r: null,
      mae: [expect.closeTo(0.1), expect.closeTo(0.1)],
    });
  });
});

describe('a prediction combined with the self-probe', () => {
  it('shares between any number of predictions', () => {
    const shares = inverseVarianceShares([0.01, 0.02, 0.02]);
    expect(shares.map((share) => 6 * share)).toEqual([4, 1, 1].map((each) => expect.closeTo(each, 12)));
    expect(inverseVarianceShares([0.3])).toEqual([1]);
  });

  it('weighs the two by inverse variance, and believes no deviation under a hundredth of a point', () => {
    expect(linearShare(0.02, 0.02)).toBeCloseTo(0.5, 12);
    expect(linearShare(0.02, 0.01)).toBeCloseTo(0.2, 12);
    expect(linearShare(0, 1e-4)).toBeCloseTo(0.5, 12);
  });

  it('is for the rows that have both', () => {
    const linear = fold('a', [
      [0.82, 0.8],
      [0.72, 0.7],
    ]);
    const selfProbe = [{ ...linear[1], predicted: 0.69 }];
    const share = linearShare(0.02, 0.01);
    const combined = combine(linear, selfProbe) as HeldOut[];
    expect(combined.map(({ example }) => example.id)).toEqual([linear[1].example.id]);
    expect(combined[0].predicted).toBeCloseTo(share * 0.72 + (1 - share) * 0.69, 12);
    expect(combine(linear, fold('a', [[0.9, 0.9]]))).toBeNull();
  });
});
