import { type Decision, SteeringController } from '../../steering/controller/index.js';
import { checkTerm, TERMS, termNamed } from '../../steering/index.js';
import { messageOf } from '../../tensors/errors.js';
import { MergeguardError, problemsOf } from '../../tensors/index.js';
import type { Moment } from '../alerts.js';
import { type GuardConfig, optionsOf } from '../config-schema.js';
import type { ProbeEvent, SteerEvent, TickEvent } from '../events.js';
import { MANUAL_LIFETIME, type ManualOrder, RENEWAL } from '../types.js';
import { ControlledTerms, checkNeeds, type RunLimits } from './controlled-terms.js';
import { RunMeasurements } from './measurements.js';

/**
 * Ticks that an order of the controller outlives: it is renewed at half of its life and fades from two thirds on, and between the
 * two there must be room for a tick, wherever the half falls.
 */
const TICKS_OF_LIFE = 12;

/**
 * Everything that steers one run: fixed strengths, the controller, orders given by hand. Says what is in force as `steer` events, each
 * one whole. A manual order replaces all else until a tick after its lifetime.
 */
export class RunSteering {
  readonly #config: GuardConfig;
  readonly #limits: RunLimits;
  readonly #controller: SteeringController | null = null;
  readonly #controlled: ControlledTerms | null = null;
  readonly #measurements = new RunMeasurements();
  /** the longest gap between two ticks so far, steps */
  #gap: number;
  #decision: Decision = { level: 0, stretch: 1, reason: '' };
  #current: SteerEvent | null = null;
  #isManual = false;
  /** step of the first tick after a manual order, about when the hook has begun to follow it; null before */
  #followedFrom: number | null = null;

  /** @throws MergeguardError where this run can not have the terms of the configuration, fixed ones or the controller's */
  constructor(config: GuardConfig, limits: RunLimits) {
    this.#config = config;
    this.#limits = limits;
    this.#checkFixed();
    const { every, minimumEvery } = config.tap;
    this.#gap = every === 'auto' ? minimumEvery : every;
    if (config.steering.controller.enabled) {
      this.#controlled = new ControlledTerms(config, limits);
      this.#controller = new SteeringController(config.steering.controller, this.#controlled.stretchable);
    }
  }

  /** Else the stream would say that terms are in force which nobody follows. What they find lacking when they start is an alert. */
  #checkFixed(): void {
    const problems = this.#fixed().flatMap(({ term, strength }) => {
      try {
        checkNeeds(termNamed(term), this.#limits);
        return [];
      } catch (error) {
        return [`steering.${term}.strength is ${strength}: ${messageOf(error)}`];
      }
    });
    if (problems.length > 0) {
      throw problemsOf('the run can not be steered like this:', problems);
    }
  }

  /** What is in force from the first step on; null: nothing. */
  opening(at: Moment): SteerEvent | null {
    const terms = this.#fixed();
    return terms.length === 0
      ? null
      : this.#order(at, terms, 'fixed strengths from the configuration', 'config');
  }

  /** @throws MergeguardError naming every term and parameter that is unknown, every strength out of range, and every need that is not met */
  manual(
    { terms, lifetimeSteps = MANUAL_LIFETIME, reason = 'by hand' }: ManualOrder,
    at: Moment,
  ): SteerEvent {
    const problems: string[] = [];
    const checked = terms.flatMap(({ term, strength, parameters = {} }) => {
      try {
        checkParameters(term, parameters);
        const { info, options } = checkTerm(term, { ...parameters, strength });
        checkNeeds(info, this.#limits);
        const { strength: given, ...rest } = options;
        return given > 0 ? [{ term, strength: given, parameters: rest }] : [];
      } catch (error) {
        problems.push(messageOf(error));
        return [];
      }
    });
    const seen = new Set<string>();
    for (const { term } of terms) {
      if (seen.has(term)) {
        problems.push(`the term ${term} is given twice`);
      }
      seen.add(term);
    }
    if (problems.length > 0) {
      throw problemsOf('the order is wrong:', problems);
    }
    this.#isManual = true;
    this.#followedFrom = null;
    return this.#order(at, checked, reason, 'manual', { lifetimeSteps });
  }

  /** What changes with a tick, or has to be renewed. @param probes that came since the tick before */
  tick(tick: TickEvent, probes: readonly ProbeEvent[]): SteerEvent[] {
    this.#gap = Math.max(this.#gap, tick.cost.every ?? 0);
    const measurements = this.#measurements.of(tick, probes);
    if (this.#isManual) {
      return this.#isOver(tick.step) ? [this.#giveBack(tick)] : [];
    }
    const decision = this.#controller?.update(measurements) ?? null;
    if (decision !== null) {
      this.#decision = decision;
      return [this.#controllerOrder(tick, decision.reason, this.#delay)];
    }
    return this.#renewal(tick);
  }

  /**
   * The guard learns the run's step from its events, so that an order may be up to a tick younger than it says. In the hook it ends when its
   * steps are over; here with a later tick, and what it replaced is back then.
   */
  #isOver(step: number): boolean {
    this.#followedFrom ??= step;
    return step - this.#followedFrom >= this.#current!.lifetimeSteps!;
  }

  /** What is said at the end of a run that its controller has never steered, beside what was in force; null: nothing. */
  closing({ run, time, step }: Moment): SteerEvent | null {
    const heldBackBy = this.#controller?.heldBackBy ?? null;
    if (heldBackBy === null || this.#isManual) {
      return null;
    }
    const reason = `the controller has not steered: ${heldBackBy}`;
    return {
      event: 'steer',
      run,
      time,
      step,
      terms: this.#fixed(),
      lifetimeSteps: null,
      reason,
      source: 'controller',
    };
  }

  /** The manual order has ended. */
  #giveBack(at: TickEvent): SteerEvent {
    const { step, lifetimeSteps } = this.#current!;
    const ended = `the order given by hand after step ${step} has ended, its ${lifetimeSteps} steps are over`;
    this.#isManual = false;
    if (this.#controller !== null) {
      this.#controller.restart(at.step);
      this.#decision = { ...this.#decision, level: 0 };
      const next = this.#controller.phase === 'off' ? 'stays off' : 'goes on with a plain phase';
      return this.#controllerOrder(at, `${ended}; the controller ${next}`, null);
    }
    const fixed = this.#fixed();
    const next = fixed.length > 0 ? 'the strengths of the configuration are back' : 'nothing steers any more';
    return this.#order(at, fixed, `${ended}; ${next}`, 'config');
  }

  /** @param delay steps until it acts; null: at once */
  #controllerOrder(at: Moment, reason: string, delay: number | null): SteerEvent {
    const { level, stretch } = this.#decision;
    const terms = [...this.#fixed(), ...this.#controlled!.at(level, stretch)];
    const fromStep = delay === null ? undefined : at.step + delay;
    // What is in force must not fade before the next one acts, delay included.
    const lifetimeSteps = Math.max(
      this.#config.steering.fadeSteps,
      TICKS_OF_LIFE * (this.#gap + (this.#delay ?? 0)),
    );
    return this.#order(at, terms, reason, 'controller', { lifetimeSteps, fromStep });
  }

  /** At a fixed cadence a decision acts on a step that is the same however long the way to the hook is. */
  get #delay(): number | null {
    const { every } = this.#config.steering.controller;
    return every === 'auto' ? null : Math.ceil(every / 2);
  }

  /** An order of the controller lives on while observations come. */
  #renewal(at: Moment): SteerEvent[] {
    const order = this.#current;
    if (order === null || order.lifetimeSteps === null || order.terms.length === 0) {
      return [];
    }
    const isDue = at.step - order.step >= order.lifetimeSteps / 2;
    return isDue ? [this.#controllerOrder(at, RENEWAL, null)] : [];
  }

  /** The terms that the configuration gives a strength. */
  #fixed(): SteerEvent['terms'] {
    return TERMS.map(({ name }) => ({ name, ...optionsOf(this.#config, name) }))
      .filter(({ strength }) => strength > 0)
      .map(({ name, strength, ...parameters }) => ({ term: name, strength, parameters }));
  }

  #order(
    { run, time, step }: Moment,
    terms: SteerEvent['terms'],
    reason: string,
    source: NonNullable<SteerEvent['source']>,
    { lifetimeSteps = null, fromStep }: { lifetimeSteps?: number | null; fromStep?: number } = {},
  ): SteerEvent {
    const from = fromStep === undefined ? {} : { fromStep };
    this.#current = { event: 'steer', run, time, step, terms, lifetimeSteps, ...from, reason, source };
    return this.#current;
  }
}

/** @throws MergeguardError where the strength is among them: which of the two is meant nobody knows */
function checkParameters(term: string, parameters: Record<string, unknown>): void {
  if (Object.hasOwn(parameters, 'strength')) {
    throw new MergeguardError(
      `${term} has strength among its parameters (${JSON.stringify(parameters.strength)}); give it beside them only`,
    );
  }
}
