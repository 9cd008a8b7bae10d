import { FEATURE_GROUPS, type FeatureGroup, type TableRow } from '../fingerprint/index.js';
import { planVariant } from '../fingerprint/plan.js';
import { sizeProblem } from '../fingerprint/table.js';

/** The one group that a fit never goes without: every stream offers it. */
const ALWAYS: FeatureGroup = 'weights';

export interface FittedGroups {
  readonly groups: readonly FeatureGroup[];
  /** why the others are not fitted, a sentence each */
  readonly notes: readonly string[];
}

/**
 * The groups of metrics that can be fitted all together, by every method: rows that lack a metric are left out of a fit, and
 * so many must not be that too few are left. What most rows lack goes first.
 */
export function fittedGroups(pairs: readonly TableRow[], methods: readonly string[]): FittedGroups {
  const rows = pairs.map((pair, id) => ({ ...pair, id }));
  const groups = (Object.keys(FEATURE_GROUPS) as FeatureGroup[]).filter((group) =>
    FEATURE_GROUPS[group].some((metric) => rows.some(({ metrics }) => (metrics[metric] ?? null) !== null)),
  );
  const problemOf = (some: readonly FeatureGroup[]) => {
    const features = some.flatMap((group) => FEATURE_GROUPS[group]);
    const sizes = methods.map((method) => sizeProblem(planVariant('', method, rows, features).rows));
    return sizes.find((problem) => problem !== null) ?? null;
  };
  const lacking = (group: FeatureGroup) =>
    rows.filter(({ metrics }) => FEATURE_GROUPS[group].some((metric) => (metrics[metric] ?? null) === null))
      .length;
  const notes: string[] = [];
  const optional = groups.filter((group) => group !== ALWAYS).sort((a, b) => lacking(b) - lacking(a));
  for (const group of optional) {
    const problem = problemOf(groups);
    if (problem === null) {
      break;
    }
    groups.splice(groups.indexOf(group), 1);
    notes.push(
      `metrics of the group ${group} are not fitted: ${lacking(group)} of ${rows.length} pairs lack one, ` +
        `and of those with everything there would be ${problem}`,
    );
  }
  return { groups, notes };
}
