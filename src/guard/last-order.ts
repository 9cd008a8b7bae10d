import { fadeFactor } from '../steering/index.js';
import type { Moment } from './alerts.js';
import type { GuardEvent, SteerEvent } from './events.js';

/** Of a guard that does not say how long terms take to fade. */
const FADE_STEPS = 100;

/** The order that is in force at the hook of a guard elsewhere, and what becomes of it when that guard is lost. */
export class LastOrder {
  #order: SteerEvent | null = null;
  /** step at which the order came, or from which it is to act */
  #began = 0;
  #fadeSteps = FADE_STEPS;

  /** @param step of the run, as far as it is known */
  note(event: GuardEvent, step: number): void {
    if (event.event === 'hello') {
      const { fadeSteps } = (event.config.steering ?? {}) as { fadeSteps?: unknown };
      this.#fadeSteps = typeof fadeSteps === 'number' ? fadeSteps : FADE_STEPS;
    } else if (event.event === 'steer') {
      this.#order = event;
      this.#began = Math.max(step, event.fromStep ?? 0);
    }
  }

  /** An order by which what is in force fades out; null: there is nothing, or it ends as soon by itself. */
  fading(at: Moment): SteerEvent | null {
    const order = this.#order;
    this.#order = null;
    if (order === null || order.terms.length === 0) {
      return null;
    }
    const since = Math.max(0, at.step - this.#began);
    if (order.lifetimeSteps !== null && order.lifetimeSteps - since <= this.#fadeSteps) {
      return null;
    }
    const factor = fadeFactor(since, order.lifetimeSteps);
    return {
      event: 'steer',
      ...at,
      terms: order.terms.map((term) => ({ ...term, strength: factor * term.strength })),
      lifetimeSteps: this.#fadeSteps,
      reason: `the guard is silent: what it has ordered fades out within ${this.#fadeSteps} steps`,
      source: 'guard',
    };
  }
}
