import { foldsOf, without } from './cross-validate.js';
import { Fitter, type FitterOptions } from './fitter.js';
import { groupOutcome, meanOfPairs } from './group.js';
import type { Example, LinearModel } from './linear-model.js';
import type { GroupFit } from './schema.js';
import { intervalsOf, mean, quantile } from './statistics.js';

/** A merge of three or more models that was really made. */
export interface GroupRow {
  readonly tasks: readonly string[];
  /** normalised accuracy, the mean over the tasks, by method; null where it was not run */
  readonly outcomes: Readonly<Record<string, number | null>>;
}

/** Fewer groups say nothing of a growth. */
export const LEAST_GROUPS = 10;
/** losses under half a point are mostly noise, and their ratio is nothing but */
const LEAST_LOSS = 0.005;

export interface GroupFitOptions {
  readonly method: string;
  readonly directed: boolean;
  readonly level: number;
  readonly fits: FitterOptions;
}

/** Fits that fitGroups makes. */
export function groupFits(
  groups: readonly GroupRow[],
  examples: readonly Example[],
  directed: boolean,
): number {
  return groups.length < LEAST_GROUPS ? 0 : 1 + foldsOf(examples, directed).length;
}

/** Groups of three or more that have an outcome of the method. */
export function groupsOf(groups: readonly GroupRow[], method: string): GroupRow[] {
  return groups.filter(({ tasks, outcomes }) => tasks.length > 2 && typeof outcomes[method] === 'number');
}

/**
 * How much more a group loses than its pairs: the median exponent over the groups, with effects fitted on pairs. The
 * errors are those of leaving one task out, of the effects and of the groups.
 *
 * @param examples pairs of the method, without features
 * @returns null where there are too few groups
 */
export async function fitGroups(
  groups: readonly GroupRow[],
  examples: readonly Example[],
  { method, directed, level, fits }: GroupFitOptions,
): Promise<GroupFit | null> {
  if (groups.length < LEAST_GROUPS) {
    return null;
  }
  const fitter = new Fitter(fits);
  const options = { label: `${method}, effects for groups`, features: [], withEffects: true, penalty: 0 };
  const outcomeOf = (group: GroupRow) => group.outcomes[method] as number;
  const residuals: number[] = [];
  await Promise.all(
    foldsOf(examples, directed).map(async (fold) => {
      const { model } = await fitter.fit(without(examples, [fold]), options, [fold]);
      const growth = medianGrowth(
        groups.filter(({ tasks }) => !tasks.includes(fold)),
        model,
        method,
      );
      for (const group of groups) {
        if (growth !== null && group.tasks.includes(fold)) {
          const predicted = groupOutcome(meanOfPairs(model, group.tasks), group.tasks.length, growth);
          residuals.push(Math.abs(predicted - outcomeOf(group)));
        }
      }
    }),
  );
  const { model } = await fitter.fit(examples, options, []);
  const growth = medianGrowth(groups, model, method);
  return growth === null || residuals.length === 0
    ? null
    : { rows: groups.length, growth, mae: mean(residuals), intervals: intervalsOf(residuals, level) };
}

function medianGrowth(groups: readonly GroupRow[], model: LinearModel, method: string): number | null {
  const growths: number[] = [];
  for (const { tasks, outcomes } of groups) {
    const loss = 1 - (outcomes[method] as number);
    const ofPairs = 1 - meanOfPairs(model, tasks);
    if (loss > LEAST_LOSS && ofPairs > LEAST_LOSS) {
      growths.push(Math.log(loss / ofPairs) / Math.log(tasks.length - 1));
    }
  }
  return growths.length > 0 ? quantile(growths, 0.5) : null;
}
