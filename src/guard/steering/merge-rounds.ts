import type { Measured } from '../../steering/controller/index.js';
import type { ProbeEvent } from '../events.js';

/**
 * Merge probes come one pair after the other; here they become one accuracy a round: the mean over all methods and references, so
 * that pairs which merge well and badly are not taken for a rise and a fall. A pair that was not probed again counts as it was, once
 * more; then it is left out.
 */
export class MergeRounds {
  /** by method and reference */
  readonly #last = new Map<string, ProbeEvent>();
  #fresh = new Set<string>();
  #freshBefore = new Set<string>();

  get hasBegun(): boolean {
    return this.#last.size > 0;
  }

  /** @returns the accuracy of a round that is over with this probe, or was over before it */
  add(probe: ProbeEvent): Measured | null {
    if (![probe.accuracy, probe.standardError].every(Number.isFinite)) {
      return null;
    }
    const key = JSON.stringify([probe.method, probe.reference]);
    const isKnown = this.#last.has(key);
    // The first round is over when the second begins: until then nobody knows how many pairs there are.
    const over = this.#fresh.has(key) ? this.#round() : null;
    this.#last.set(key, probe);
    this.#fresh.add(key);
    if (isKnown && over === null && this.#fresh.size === this.#last.size) {
      return this.#round();
    }
    return over;
  }

  #round(): Measured {
    for (const key of this.#last.keys()) {
      if (!this.#fresh.has(key) && !this.#freshBefore.has(key)) {
        this.#last.delete(key);
      }
    }
    const probes = [...this.#last.values()];
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    this.#freshBefore = this.#fresh;
    this.#fresh = new Set();
    const steps = probes.map(({ step }) => step);
    return {
      step: Math.max(...steps),
      since: Math.min(...steps),
      value: mean(probes.map(({ accuracy }) => accuracy)),
      standardError: Math.sqrt(mean(probes.map(({ standardError }) => standardError ** 2)) / probes.length),
    };
  }
}
