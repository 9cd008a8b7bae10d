import { bestControl, controlCandidates, plainBy } from './control.js';
import type { Pools } from './pools.js';
import type { PoolResult, PoolTable, PoolVariant, StepCost } from './steer-table.js';
import { PLAIN, type Variant } from './variant.js';

export interface PoolTableOptions {
  readonly variants: readonly Variant[];
  /** methods that gaps are averaged over, and controls are chosen by */
  readonly headline: readonly string[];
  /** measured beside them, of plain training, at the variants' step sizes too, variants and chosen controls */
  readonly further: readonly string[];
  /** step sizes that a control is chosen from */
  readonly learningRates: readonly number[];
  readonly stepCost: (variant: Variant) => Promise<StepCost | null>;
}

/**
 * Whole pools of one seed: plain, every variant, and for each its compute-matched control and plain training by its own steps and
 * step size.
 */
export async function makePoolTable(pools: Pools, options: PoolTableOptions): Promise<PoolTable> {
  const { variants, headline, further, learningRates, stepCost } = options;
  const methods = [...headline, ...further];
  const results = new Map<string, PoolResult>();
  const measure = async (variant: Variant, by: readonly string[]): Promise<PoolResult> => {
    const known = results.get(variant.id);
    if (known && by.every((method) => method in known.all)) {
      return known;
    }
    const result = await pools.result(variant, by);
    results.set(variant.id, result);
    return result;
  };
  const plain = await measure(PLAIN, methods);
  const found: PoolVariant[] = [];
  for (const variant of variants) {
    const { id, title } = variant;
    const result = await measure(variant, methods);
    const cost = await stepCost(variant);
    const own = plainBy(result, plain);
    await measure(own, methods);
    const candidates = controlCandidates(result, plain, learningRates);
    const measured = [];
    for (const candidate of candidates) {
      measured.push({ id: candidate.id, result: await measure(candidate, headline) });
    }
    const control = bestControl(measured, headline);
    await measure(candidates.find((candidate) => candidate.id === control)!, methods);
    found.push({ id, title, control, ownPlain: own.id, stepCost: cost });
  }
  return { headline, results: Object.fromEntries(results), variants: found };
}
