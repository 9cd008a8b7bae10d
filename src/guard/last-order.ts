import { fadeFactor } from '../steering/index.js';
import type { Moment } from './alerts.js';
import type { GuardEvent, SteerEvent } from './events.js';

/** Of a guard that does not say how long terms take to fade. */
const FADE_STEPS = 100;

interface Given {
  readonly order: SteerEvent;
  /** step at which the order came, or from which it is to act */
  readonly from: number;
}

/** The orders that the hook of a guard elsewhere has, and what becomes of them when that guard is lost. */
export class LastOrder {
  /** the one in force, and those that wait for their step, in the order of these */
  #given: readonly Given[] = [];
  #fadeSteps = FADE_STEPS;

  /** @param step of the run, as far as it is known */
  note(event: GuardEvent, step: number): void {
    if (event.event === 'hello') {
      const { fadeSteps } = (event.config.steering ?? {}) as { fadeSteps?: unknown };
      this.#fadeSteps = typeof fadeSteps === 'number' ? fadeSteps : FADE_STEPS;
    } else if (event.event === 'steer') {
      const from = Math.max(step, event.fromStep ?? 0);
      const inForce = inForceAt(this.#given, step);
      const before = this.#given.filter((other) => other === inForce || other.from > step);
      this.#given = [...before.filter((other) => other.from < from), { order: event, from }];
    }
  }

  /**
   * An order by which what is in force fades out, and nothing begins that was to begin later; null: there is nothing, or it
   * ends as soon by itself.
   */
  fading(at: Moment): SteerEvent | null {
    const inForce = inForceAt(this.#given, at.step);
    const isWaiting = this.#given.some(({ from }) => from > at.step);
    this.#given = [];
    const terms = inForce?.order.terms ?? [];
    if (!isWaiting && terms.length === 0) {
      return null;
    }
    const lifetime = inForce?.order.lifetimeSteps ?? null;
    const since = inForce === undefined ? 0 : at.step - inForce.from;
    const left = lifetime === null ? Number.POSITIVE_INFINITY : lifetime - since;
    if (!isWaiting && left <= this.#fadeSteps) {
      return null;
    }
    const factor = fadeFactor(since, lifetime);
    return {
      event: 'steer',
      ...at,
      terms: factor === 0 ? [] : terms.map((term) => ({ ...term, strength: factor * term.strength })),
      lifetimeSteps: this.#fadeSteps,
      reason: `the guard is silent: what it has ordered fades out within ${this.#fadeSteps} steps`,
      source: 'guard',
    };
  }
}

function inForceAt(given: readonly Given[], step: number): Given | undefined {
  return given.filter(({ from }) => from <= step).at(-1);
}
