import { METRICS, type Part } from '../metrics/index.js';

export type FeatureGroup = 'weights' | 'slow' | 'gradients' | 'functional';

/** What a stream must offer for a part of the statistics, beside task vectors, which are always there. */
const GROUP_OF_PART: Readonly<Record<Part, FeatureGroup>> = {
  subspace: 'weights',
  bottom: 'slow',
  spectra: 'slow',
  gradient: 'gradients',
  activation: 'functional',
  inputGradient: 'functional',
};

const GROUPS: readonly FeatureGroup[] = ['weights', 'slow', 'gradients', 'functional'];

/**
 * The metrics by what a stream must offer to have them. Task vectors and fast subspaces come with every tick; the
 * others need the slow lane, gradients, or a calibration batch on both sides.
 */
export const FEATURE_GROUPS = groupMetrics();

function groupMetrics(): Readonly<Record<FeatureGroup, readonly string[]>> {
  const groups: Record<FeatureGroup, string[]> = { weights: [], slow: [], gradients: [], functional: [] };
  for (const { name, needs } of METRICS) {
    const [part] = needs;
    groups[part === undefined ? 'weights' : GROUP_OF_PART[part]].push(name);
  }
  return groups;
}

/** Every metric that a fingerprint may use. */
export const FEATURES: readonly string[] = GROUPS.flatMap((group) => [...FEATURE_GROUPS[group]]);

/**
 * A variant for every subset that a stream may offer of the asked groups, by name: weights are always there, each
 * other group may be. Groups of which `present` has nothing are left out.
 *
 * @param asked `all`, or names of groups joined by +, e.g. `weights+gradients`
 * @param present metrics that the table has
 * @returns null for a name that is none
 */
export function featureSets(asked: string, present: readonly string[]): Record<string, string[]> | null {
  const names = asked === 'all' ? GROUPS : asked.split('+');
  if (!names.every((name): name is FeatureGroup => Object.hasOwn(FEATURE_GROUPS, name))) {
    return null;
  }
  const has = (group: FeatureGroup) => FEATURE_GROUPS[group].some((name) => present.includes(name));
  const optional = GROUPS.filter((group) => group !== 'weights' && names.includes(group) && has(group));
  const always = names.includes('weights') && has('weights') ? (['weights'] as const) : [];
  const sets: Record<string, string[]> = {};
  for (let mask = 2 ** optional.length - 1; mask >= 0; mask--) {
    const groups = [...always, ...optional.filter((_, bit) => (mask & (1 << bit)) !== 0)];
    if (groups.length > 0) {
      sets[groups.join('+')] = groups
        .flatMap((group) => [...FEATURE_GROUPS[group]] as string[])
        .filter((name) => present.includes(name));
    }
  }
  return sets;
}
