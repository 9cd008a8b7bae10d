import { innerFolds, leaveOneTaskOut, type PredictorOf } from '../../../src/fingerprint/cross-validate.js';
import type { Example } from '../../../src/fingerprint/linear-model.js';

/** Shares are tried in fifths: finer ones would be fitted to the luck of a few dozen rows. */
const FIFTHS = 5;

/**
 * Several predictors combined by shares of at least nothing that are one together: those with the least mean absolute error on
 * tasks that are left out inside the training rows, so that the task to be predicted takes no part in the choice, and a part that
 * does not help there gets none. Of equals the one that leans most on the earlier parts. (Wolpert's stacked generalisation, with
 * Breiman's constraints: shares of predictors that say nearly the same are not determined without them.)
 */
export function stackOf(parts: readonly PredictorOf[]): PredictorOf {
  const choices = sharesOf(parts.length, FIFTHS).map((fifths) => fifths.map((count) => count / FIFTHS));
  return async (train, without) => {
    const inside = innerFolds(train, false);
    const heldOut = await Promise.all(
      parts.map((part) =>
        leaveOneTaskOut(train, false, (rows, [task]) => part(rows, [...without, task!]), inside),
      ),
    );
    // All parts predict the same rows in the same order.
    const outcomes = heldOut[0]!.map(({ example }) => example.outcome);
    const predicted = heldOut.map((rows) => rows.map((row) => row.predicted));
    let best = { shares: choices[0]!, error: Number.POSITIVE_INFINITY };
    for (const shares of choices) {
      const error = outcomes.reduce((sum, outcome, row) => {
        const combined = shares.reduce((total, share, part) => total + share * predicted[part]![row]!, 0);
        return sum + Math.abs(combined - outcome);
      }, 0);
      if (error < best.error) {
        best = { shares, error };
      }
    }
    const fitted = await Promise.all(parts.map((part) => part(train, without)));
    return (example: Example) =>
      best.shares.reduce((sum, share, part) => sum + share * fitted[part]!(example), 0);
  };
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
