import { listProblems, MergeguardError } from '../tensors/index.js';

/** What a merge was worth on calibration samples, the mean over its tasks. */
export interface MergeOutcome {
  /** a fraction 0..1 */
  readonly accuracy: number;
  /** null where nobody computes one */
  readonly loss: number | null;
}

/** Why there is no outcome, a sentence. */
export interface NoOutcome {
  readonly failure: string;
}

export interface Tried<Outcome> {
  /** c of base + c * the merged task vector */
  readonly coefficient: number;
  readonly outcome: Outcome;
}

export interface CoefficientSearch<Outcome extends MergeOutcome> {
  readonly best: Tried<Outcome>;
  /** the merge as it is, at 1 */
  readonly plain: Tried<Outcome>;
  /** everything that was evaluated, the smallest coefficient first */
  readonly tried: readonly Tried<Outcome | NoOutcome>[];
}

export interface CoefficientOptions {
  /** what is evaluated first, 1 always with it; defaults to COEFFICIENT_GRID */
  readonly grid?: readonly number[];
  /** how often the gaps on both sides of the best are halved; defaults to 2 */
  readonly refinements?: number;
}

/**
 * On pairs of the zoo's tasks the best coefficients were about 1.2 for weight_avg, 0.7 to 0.95 for ties and 0.8 to 1 for tsv. Steps of
 * about a quarter are as far apart as curves so flat allow, and a best one at an end is looked for beyond it.
 */
export const COEFFICIENT_GRID: readonly number[] = [0.6, 0.8, 1, 1.25, 1.5];

/** Steps beyond an end of the grid, each by the ratio of the last two: from the default grid's 1.5 to 3.1, from 0.6 to 0.19. */
const MOST_BEYOND = 4;
/** Outcomes that differ by less are equal: means of the same numbers differ by rounding. */
const ROUNDING = 1e-12;
/** Of a coefficient: midpoints are to be numbers that people can write. */
const DIGITS = 1e4;

/**
 * The factor c of base + c * (merged task vector) that is best on calibration samples: by the mean loss where every outcome has one, else by
 * the accuracy, of equal ones the nearest to 1. A grid first, further out while the best lies at its end, then the midpoints on both sides of
 * the best, and those again. At most 13 evaluations with the defaults, mostly 9, one after the other; no draws: the same outcomes give the
 * same coefficient. Of a function with one maximum it lies as near as the neighbours that were evaluated.
 *
 * What is found at the best is found on the samples that chose it, and so too high: measure it on others.
 * @param evaluate an outcome, or why there is none: such a coefficient is not chosen. What it throws ends the search
 * @throws MergeguardError for a grid that is none, and where there is no outcome at 1
 */
export async function searchCoefficient<Outcome extends MergeOutcome>(
  evaluate: (coefficient: number) => Promise<Outcome | NoOutcome> | Outcome | NoOutcome,
  { grid = COEFFICIENT_GRID, refinements = 2 }: CoefficientOptions = {},
): Promise<CoefficientSearch<Outcome>> {
  checkGrid(grid);
  const tried = new Map<number, Tried<Outcome | NoOutcome>>();
  const visit = async (coefficient: number) => {
    if (!tried.has(coefficient)) {
      tried.set(coefficient, { coefficient, outcome: await evaluate(coefficient) });
    }
  };
  const best = () => {
    const found = bestTried([...tried.values()].filter(hasOutcome));
    if (found === null) {
      const where = [...tried.keys()].join(', ');
      throw new MergeguardError(
        `no coefficient can be chosen: losses and accuracies are NaN or infinite at all of ${where}`,
      );
    }
    return found;
  };
  await visit(1);
  const plain = tried.get(1)!;
  if (!hasOutcome(plain)) {
    throw new MergeguardError(`the merge can not be evaluated: ${(plain.outcome as NoOutcome).failure}`);
  }
  for (const coefficient of grid) {
    await visit(coefficient);
  }
  for (let step = 0; step < MOST_BEYOND; step++) {
    const next = beyond([...tried.keys()], best().coefficient);
    if (next === null) {
      break;
    }
    await visit(next);
  }
  for (let round = 0; round < refinements; round++) {
    for (const between of midpoints([...tried.keys()], best().coefficient)) {
      await visit(between);
    }
  }
  return { best: best(), plain, tried: [...tried.values()].sort((a, b) => a.coefficient - b.coefficient) };
}

/** By the loss where each has one, else by the accuracy, of equal ones the nearest to 1; null where none is a finite number. */
export function bestTried<Outcome extends MergeOutcome>(
  tried: readonly Tried<Outcome>[],
): Tried<Outcome> | null {
  const haveLoss = tried.every(({ outcome: { loss } }) => loss !== null);
  const worth = ({ outcome: { loss, accuracy } }: Tried<Outcome>) => (haveLoss ? -loss! : accuracy);
  const finite = tried.filter((each) => Number.isFinite(worth(each)));
  const most = Math.max(...finite.map(worth));
  const equal = finite.filter((each) => most - worth(each) <= ROUNDING);
  const away = ({ coefficient }: Tried<Outcome>) => Math.abs(coefficient - 1);
  return equal.sort((a, b) => away(a) - away(b) || a.coefficient - b.coefficient)[0] ?? null;
}

export function hasOutcome<Outcome extends MergeOutcome>(
  tried: Tried<Outcome | NoOutcome>,
): tried is Tried<Outcome> {
  return !('failure' in tried.outcome);
}

function checkGrid(grid: readonly number[]): void {
  const wrong = grid.filter((coefficient) => !(coefficient > 0 && Number.isFinite(coefficient)));
  if (wrong.length > 0) {
    throw new MergeguardError(
      listProblems(
        'coefficients of a grid must be finite numbers above 0:',
        wrong.map((coefficient) => `it has ${coefficient}`),
      ),
    );
  }
}

/** The next one outwards where the best is the smallest or the largest of several; else null. */
function beyond(coefficients: readonly number[], best: number): number | null {
  const sorted = coefficients.toSorted((a, b) => a - b);
  const ends = [sorted, sorted.toReversed()].find(([end]) => end === best);
  if (ends === undefined || ends.length < 2) {
    return null;
  }
  const [end, inner] = ends as [number, number];
  return rounded((end * end) / inner);
}

/** Of the gaps beside the best. */
function midpoints(coefficients: readonly number[], best: number): number[] {
  const sorted = coefficients.toSorted((a, b) => a - b);
  const at = sorted.indexOf(best);
  const beside = [sorted[at - 1], sorted[at + 1]].filter((other) => other !== undefined);
  return beside.map((other) => rounded((other + best) / 2));
}

function rounded(coefficient: number): number {
  return Math.round(DIGITS * coefficient) / DIGITS;
}
