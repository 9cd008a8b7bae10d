import { z } from 'zod';
import { PAIR, PAIR_WIDTH, type PairStatistics, SIDE, SIDE_WIDTH } from '../../metrics/index.js';
import { commonOptions, defineRule } from './rule.js';
import { counted, some } from './words.js';

const options = z.strictObject({
  ...commonOptions('error'),
  ticks: z
    .number()
    .int()
    .min(1)
    .default(3)
    .describe('cleared after this many ticks with finite numbers only'),
});

/**
 * NaN or Inf in the live weights, in a gradient (its step was not folded), in the statistics or in the self-probe.
 * One alert a run. A NaN among the statistics means "not measured" except for the task-vector numbers, which always
 * are; Inf is never right.
 */
export const nonFinite = defineRule({
  options,
  create: ({ ticks }) => {
    let clean = 0;
    return (tick, statistics) => {
      const weights = tensorsWithBadWeights(statistics);
      const cells = badCells(statistics);
      const steps = tick.dropped.nonFinite;
      const probe = statistics.selfProbe;
      const isProbeBad =
        probe !== null && !(Number.isFinite(probe.loss) && Number.isFinite(probe.scaledLoss));
      const found: string[] = [];
      if (weights.length > 0) {
        found.push(`the live weights of ${some(weights)}`);
      }
      if (steps > 0) {
        found.push(`the gradients of ${counted(steps, 'step')}, which were not folded`);
      }
      if (cells > 0) {
        found.push(`${counted(cells, 'statistic')} of the references`);
      }
      if (isProbeBad) {
        found.push('the loss of the self-probe');
      }
      clean = found.length === 0 ? clean + 1 : 0;
      return [
        {
          signal: found.length > 0 ? 'raise' : clean >= ticks ? 'clear' : 'hold',
          evidence: { tensors: weights.length, steps, statistics: cells, selfProbe: isProbeBad ? 1 : 0 },
          describe: (state) =>
            state === 'raised'
              ? {
                  title: `NaN or Inf in ${found.join('; ')}`,
                  text: 'What rests on them is left out until they are finite again. A lower learning rate or a loss scale that adapts is the usual remedy.',
                }
              : {
                  title: `no NaN or Inf for ${counted(clean, 'tick')}`,
                  text: 'Weights, gradients and statistics are finite again.',
                },
        },
      ];
    };
  },
});

function tensorsWithBadWeights(statistics: PairStatistics): string[] {
  const names: string[] = [];
  for (const [t, tensor] of statistics.tensors.entries()) {
    if (!Number.isFinite(statistics.live[t * SIDE_WIDTH + SIDE.tauNorm])) {
      names.push(tensor.name);
    }
  }
  return names;
}

/**
 * Cells of the pairs that can't be right, tensors with bad live weights left out: they spoil every pair. Of pairs that this tick has
 * compared: the others were told then.
 */
function badCells(statistics: PairStatistics): number {
  const { step, pair, live, ref, tensors, references, turns } = statistics;
  let bad = 0;
  for (let r = 0; r < references.length; r++) {
    if (turns && turns.measuredAt[r] !== step) {
      continue;
    }
    for (let t = 0; t < tensors.length; t++) {
      if (!Number.isFinite(live[t * SIDE_WIDTH + SIDE.tauNorm])) {
        continue;
      }
      const cell = r * tensors.length + t;
      if (!Number.isFinite(ref[cell * SIDE_WIDTH + SIDE.tauNorm])) {
        bad++;
      }
      for (let column = 0; column < PAIR_WIDTH; column++) {
        const value = pair[cell * PAIR_WIDTH + column]!;
        const isAlwaysThere = column === PAIR.tauDot || column === PAIR.tauDistance;
        if (isAlwaysThere ? !Number.isFinite(value) : Math.abs(value) === Number.POSITIVE_INFINITY) {
          bad++;
        }
      }
    }
  }
  return bad;
}
