import { type Observable, Subject } from 'rxjs';
import { checkFingerprint, type Fingerprint } from '../fingerprint/index.js';
import { METRICS } from '../metrics/index.js';
import { messageOf } from '../tensors/errors.js';
import { Alerts, type Failure, InternalAlerts, type Moment } from './alerts.js';
import type { GuardConfig } from './config-schema.js';
import { conflate } from './conflate.js';
import { EventStream } from './event-stream.js';
import {
  type EndEvent,
  type GuardEvent,
  PROTOCOL,
  type ProbeEvent,
  type SteerEvent,
  type TickEvent,
} from './events.js';
import { RunProbes } from './run-probes.js';
import { RunSteering } from './steering/index.js';
import { buildTick, type TickContext } from './tick.js';
import type { Guard, ManualOrder, Observation, RunSetup } from './types.js';
import { VERSION } from './version.js';

/**
 * Starts the guard of one run. `hello` is the first event, followed by `steer` where the configuration switches
 * terms on. Once it stands, nothing in it throws: a failure becomes an alert of the rule `internal`.
 * @param fingerprint what scores are predicted with; null: metrics and alerts without scores
 * @throws MergeguardError when the fingerprint lacks a chosen method, needs metrics that are not streamed, or
 *   predicts something else than normalised accuracy, or the run can not have the terms that its configuration
 *   gives a strength, or to the controller
 */
export function createGuard(setup: RunSetup, config: GuardConfig, fingerprint: Fingerprint | null): Guard {
  const { methods, limits } = fingerprint === null ? NO_SCORES : chosenMethods(setup, config, fingerprint);
  const probes = new RunProbes({ methods, references: setup.references.map(({ name }) => name) });
  const steering = new RunSteering(config, {
    references: setup.references.length,
    unmet: setup.unmet ?? {},
  });
  const guard = new LocalGuard({ run: setup.run, fingerprint, methods, probes }, config, steering);
  guard.publish({
    event: 'hello',
    ...guard.now(),
    version: VERSION,
    protocol: PROTOCOL,
    backend: setup.backend,
    backendDescription: setup.backendDescription,
    references: setup.references,
    methods,
    fingerprint: fingerprint?.name ?? null,
    fingerprintLimits: limits,
    coverage: setup.coverage,
    config,
  });
  guard.open();
  return guard;
}

interface Chosen {
  readonly methods: string[];
  /** what the fingerprint can not use of this stream */
  readonly limits: string[];
}

const NO_SCORES: Chosen = { methods: [], limits: [] };

function chosenMethods(
  { unmeasured = {}, gradientKind = 'ema' }: RunSetup,
  config: GuardConfig,
  fingerprint: Fingerprint,
): Chosen {
  const methods = config.methods === 'all' ? Object.keys(fingerprint.methods) : [...new Set(config.methods)];
  const offered = METRICS.filter(({ needs }) => needs.every((part) => unmeasured[part] === undefined));
  const limits = checkFingerprint(fingerprint, {
    methods,
    metrics: offered.map(({ name }) => name),
    // A reference is finished, its gradient is taken on calibration samples.
    gradientKinds: { live: gradientKind, reference: 'calibration' },
  });
  return { methods, limits };
}

/** A guard in this process. */
class LocalGuard implements Guard {
  readonly #stream = new EventStream();
  readonly events: Observable<GuardEvent> = this.#stream.events;
  readonly #observations = new Subject<Waiting>();
  readonly #internal = new InternalAlerts();
  readonly #context: TickContext;
  readonly #alerts: Alerts;
  readonly #steering: RunSteering;
  /** probes since the last observation */
  #probed: ProbeEvent[] = [];
  /** resolves when `close` was called and everything observed has been worked on */
  readonly #drained: Promise<void>;
  #closing: Promise<void> | null = null;
  #step = 0;

  constructor(context: TickContext, config: GuardConfig, steering: RunSteering) {
    this.#context = context;
    this.#steering = steering;
    this.#alerts = new Alerts(config.alerts);
    const worked = this.#observations.pipe(conflate(replace, (waiting) => this.#work(waiting)));
    this.#drained = new Promise((resolve) => {
      worked.subscribe({
        next: (events) => this.#emit(events),
        complete: resolve,
      });
    });
  }

  observe(observation: Observation): void {
    try {
      // The controller sees a probe with the observation after it, as ordered by the hook and whatever else is going on here.
      const probes = this.#probed;
      this.#probed = [];
      this.#observations.next({ observation, probes, dropped: { ticks: 0, ...observation.skipped } });
    } catch (error) {
      const failures = [{ message: `observation: ${messageOf(error)}` }];
      this.#emit(this.#internal.check(failures, this.now()));
    }
  }

  /** An `end` closes the guard; what comes after the end is ignored. */
  publish(event: GuardEvent): void {
    if (event.event === 'end') {
      void this.close(event.status, event.summary, event.reason);
      return;
    }
    this.#step = Math.max(this.#step, event.step);
    this.#stream.emit(event);
    if (event.event !== 'probe') {
      return;
    }
    this.#probed.push(event);
    const { fingerprint, probes } = this.#context;
    const unused = fingerprint !== null ? probes.observe(event) : null;
    if (unused !== null) {
      this.#emit(this.#internal.check([{ message: unused }], this.now()));
    }
  }

  /** What steers from the first step on. */
  open(): void {
    const steer = this.#steering.opening(this.now());
    if (steer !== null) {
      this.publish(steer);
    }
  }

  steer(order: ManualOrder): SteerEvent {
    const steer = this.#steering.manual(order, this.now());
    this.publish(steer);
    return steer;
  }

  close(status: EndEvent['status'], summary: Record<string, unknown> = {}, reason?: string): Promise<void> {
    this.#closing ??= this.#drained.then(() => {
      const steer = status === 'done' ? this.#steering.closing(this.now()) : null;
      if (steer !== null) {
        this.#stream.emit(steer);
      }
      const end: EndEvent = { event: 'end', ...this.now(), status, summary };
      this.#stream.emit(reason === undefined ? end : { ...end, reason });
    });
    this.#observations.complete();
    return this.#closing;
  }

  #emit(events: readonly GuardEvent[]): void {
    for (const event of events) {
      this.publish(event);
    }
  }

  now(): Moment {
    return { run: this.#context.run, time: new Date().toISOString(), step: this.#step };
  }

  /** The events of one observation. Never throws. */
  #work({ observation, probes, dropped }: Waiting): GuardEvent[] {
    const events: GuardEvent[] = [];
    const failures: Failure[] = [];
    let moment = this.now();
    try {
      const { tick, failures: found } = buildTick(observation, dropped, this.#context);
      failures.push(...found);
      moment = { run: tick.run, time: tick.time, step: tick.step };
      events.push(tick);
      const checked = this.#alerts.check(tick, observation.statistics);
      failures.push(...checked.failures);
      events.push(...checked.alerts);
      events.push(...this.#steering.tick(tick, probes));
    } catch (error) {
      failures.push({ message: `tick: ${messageOf(error)}` });
    }
    return [...events, ...this.#internal.check(failures, moment)];
  }
}

/** An observation in the waiting slot, the probes before it, and what was lost since the tick before: by it and by those it replaced. */
interface Waiting {
  readonly observation: Observation;
  readonly probes: readonly ProbeEvent[];
  readonly dropped: TickEvent['dropped'];
}

function replace(older: Waiting, newer: Waiting): Waiting {
  const fallbacks = (older.dropped.fallbacks ?? 0) + (newer.dropped.fallbacks ?? 0);
  const dropped = {
    ticks: older.dropped.ticks + 1 + newer.dropped.ticks,
    nonFinite: older.dropped.nonFinite + newer.dropped.nonFinite,
    perturbed: older.dropped.perturbed + newer.dropped.perturbed,
    ...(fallbacks > 0 && { fallbacks }),
  };
  return { observation: newer.observation, probes: [...older.probes, ...newer.probes], dropped };
}
