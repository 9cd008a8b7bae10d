import {
  type HeldOut,
  innerFolds,
  leaveOneTaskOut,
  type PredictorOf,
} from '../../../src/fingerprint/cross-validate.js';
import type { Example } from '../../../src/fingerprint/linear-model.js';

/** Shares are tried in fifths: finer ones would be fitted to the luck of a few dozen rows. */
const FIFTHS = 5;

/** One merge method: rows to learn from, and the parts as they are fitted to them. */
export interface Stacked {
  readonly train: readonly Example[];
  readonly parts: readonly PredictorOf[];
}

/**
 * Shares, each at least nothing and together one, to combine several predictors by, the same for all merge methods: those with
 * the least mean absolute error on tasks that are left out inside the training rows, so that the task to be predicted takes
 * no part in the choice, and a part that does not help there gets none. Of equals those that lean most on the earlier
 * parts. (Wolpert's stacked generalisation, with Breiman's constraints: shares of predictors that say nearly the same are not determined without
 * them.) Shared by the methods, because chosen on one method's rows they follow the luck of those.
 *
 * @param without tasks that the rows lack
 */
export async function stackShares(
  methods: readonly Stacked[],
  without: readonly string[],
): Promise<number[]> {
  const heldOut = (await Promise.all(methods.map((method) => insideRows(method, without)))).flat();
  const choices = sharesOf(methods[0].parts.length, FIFTHS).map((fifths) =>
    fifths.map((count) => count / FIFTHS),
  );
  let best = { shares: choices[0], error: Number.POSITIVE_INFINITY };
  for (const shares of choices) {
    const error = heldOut.reduce(
      (sum, { outcome, predicted }) => sum + Math.abs(combined(shares, predicted) - outcome),
      0,
    );
    if (error < best.error) {
      best = { shares, error };
    }
  }
  return best.shares;
}

/** What predictors say together. */
export function combined(shares: readonly number[], predicted: readonly number[]): number {
  return shares.reduce((sum, share, part) => sum + share * predicted[part], 0);
}

/** Every row of a task that was left out, with what each part said of it. */
async function insideRows({ train, parts }: Stacked, without: readonly string[]) {
  const inside = innerFolds(train, false);
  const each = await Promise.all(
    parts.map((part) =>
      leaveOneTaskOut(train, false, (rows, [task]) => part(rows, [...without, task]), inside),
    ),
  );
  // all parts predict the same rows in the same order
  return each[0].map(({ example }: HeldOut, row) => ({
    outcome: example.outcome,
    predicted: each.map((rows) => rows[row].predicted),
  }));
}

/** Every way to deal `count` out to `parts`, the ways that give the earlier parts more first. */
function sharesOf(parts: number, count: number): number[][] {
  if (parts === 1) {
    return [[count]];
  }
  const ways: number[][] = [];
  for (let first = count; first >= 0; first--) {
    ways.push(...sharesOf(parts - 1, count - first).map((rest) => [first, ...rest]));
  }
  return ways;
}
