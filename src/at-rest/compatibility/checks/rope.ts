import { isDeepStrictEqual } from 'node:util';
import { type Check, compareConfigs } from '../check.js';
import type { JsonObject } from '../config.js';
import { hasLearnedPositions } from '../positions.js';
import { type RotarySettings, rotarySettings } from '../rotary-settings.js';
import { type Difference, describeDifferences } from '../words.js';

/** What holds in nearly every family where nothing is stated: stated or not, it is the same. */
const USUAL: RotarySettings = { rope_theta: 10000, partial_rotary_factor: 1 };

export const rope: Check = {
  id: 'rope',
  reads: 'config.json',
  meaning: 'Models that place positions differently have weights that fit, but for one setting each.',
  compare: compareConfigs((name, model, base) => {
    const differing = differentSettings(model, base);
    if (differing.length === 0) {
      return [];
    }
    const found = describeDifferences(name, differing);
    if (differing.every(({ field }) => field === 'max_position_embeddings')) {
      const text = `${found}: nothing to do but to set it in the merged model; beyond the smaller one it is untried`;
      return [{ severity: 'info', text }];
    }
    const text = `${found}: the merged model is right for one of them only; take the base's unless you know better`;
    return [{ severity: 'warning', text }];
  }),
};

function differentSettings(model: JsonObject, base: JsonObject): Difference[] {
  const [ours, theirs] = [rotarySettings(model), rotarySettings(base)];
  const differing: Difference[] = [];
  for (const field of Object.keys(ours) as (keyof RotarySettings)[]) {
    if (field === 'max_position_embeddings' && !isComparableLength(model, base, ours, theirs)) {
      continue;
    }
    const [mine, other] = [ours[field], theirs[field]];
    if (!isDeepStrictEqual(mine ?? USUAL[field], other ?? USUAL[field])) {
      differing.push({ field, model: mine, base: other });
    }
  }
  return differing;
}

/** Unlike the others it has no usual value, and where it is the shape of a tensor another check speaks of it. */
function isComparableLength(
  model: JsonObject,
  base: JsonObject,
  ours: RotarySettings,
  theirs: RotarySettings,
): boolean {
  const isShape = hasLearnedPositions(model) && hasLearnedPositions(base);
  const areStated =
    ours.max_position_embeddings !== undefined && theirs.max_position_embeddings !== undefined;
  return areStated && !isShape;
}
