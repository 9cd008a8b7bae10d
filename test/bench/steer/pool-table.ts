import { bestControl, controlCandidates } from './control.js';
import type { Pools } from './pools.js';
import type { PoolResult, PoolTable, PoolVariant, StepCost } from './steer-table.js';
import { PLAIN, type Variant } from './variant.js';

export interface PoolTableOptions {
  readonly variants: readonly Variant[];
  /** methods that gaps are averaged over, and controls are chosen by */
  readonly headline: readonly string[];
  /** measured beside them, of plain training, variants and chosen controls */
  readonly further: readonly string[];
  /** step sizes that a control is chosen from */
  readonly learningRates: readonly number[];
  readonly stepCost: (variant: Variant) => Promise<StepCost | null>;
}

/** Whole pools of one seed: plain, every variant, and for each its compute-matched control. */
export async function makePoolTable(pools: Pools, options: PoolTableOptions): Promise<PoolTable> {
  const { variants, headline, further, learningRates, stepCost } = options;
  const methods = [...headline, ...further];
  const plain = await pools.result(PLAIN, methods);
  const results = new Map<string, PoolResult>([[PLAIN.id, plain]]);
  const found: PoolVariant[] = [];
  for (const variant of variants) {
    const { id, title } = variant;
    const result = await pools.result(variant, methods);
    results.set(id, result);
    const cost = await stepCost(variant);
    const candidates = controlCandidates(result, plain, learningRates);
    for (const candidate of candidates) {
      results.set(candidate.id, results.get(candidate.id) ?? (await pools.result(candidate, headline)));
    }
    const control = bestControl(
      candidates.map((candidate) => ({ id: candidate.id, result: results.get(candidate.id)! })),
      headline,
    );
    const chosen = candidates.find((candidate) => candidate.id === control)!;
    results.set(control, await pools.result(chosen, methods));
    found.push({ id, title, control, stepCost: cost });
  }
  return { headline, results: Object.fromEntries(results), variants: found };
}
