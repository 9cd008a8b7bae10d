import type { Reading } from './rule.js';

interface GateState {
  raised: boolean;
  clearedAt: number;
}

/**
 * Turns readings into changes: per (reference, method) `raised` and `cleared` strictly alternate, beginning with
 * `raised`, and nothing is raised again before `coolDownSteps` steps have passed since it was cleared. A condition
 * that still holds when the cool-down ends is raised then.
 */
export class Gate {
  readonly #coolDownSteps: number;
  readonly #states = new Map<string, GateState>();

  constructor(coolDownSteps: number) {
    this.#coolDownSteps = coolDownSteps;
  }

  /** The change that this reading makes at this step; null where it makes none. */
  update(reading: Reading, step: number): 'raised' | 'cleared' | null {
    const key = JSON.stringify([reading.reference ?? null, reading.method ?? null]);
    const state = this.#states.get(key) ?? { raised: false, clearedAt: Number.NEGATIVE_INFINITY };
    if (reading.signal === 'raise' && !state.raised && step - state.clearedAt >= this.#coolDownSteps) {
      this.#states.set(key, { raised: true, clearedAt: state.clearedAt });
      return 'raised';
    }
    if (reading.signal === 'clear' && state.raised) {
      this.#states.set(key, { raised: false, clearedAt: step });
      return 'cleared';
    }
    return null;
  }
}
