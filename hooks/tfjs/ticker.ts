import * as tf from '@tensorflow/tfjs';
import { tickBytes } from '../../src/backend/index.js';
import type { Guard, TickEvent } from '../../src/guard/index.js';
import type { SelfProbe } from '../../src/metrics/index.js';
import type { Budget } from './budget.js';
import type { FailOpen } from './fail-open.js';
import type { Folding } from './folding.js';
import type { Retreat } from './reference-memory/index.js';
import { PROBE_NUMBERS, type SelfProber } from './self-probe.js';
import type { SlowLane } from './slow-lane.js';
import type { DeviceStatistics, Reading } from './statistics.js';
import type { Fallbacks, SteeringCost } from './steering/index.js';
import type { StepClock } from './step-clock.js';

/** Steps that a tick may wait to be read before the user is told why that may be. */
const LONGEST_WAIT = 100;

export interface TickerParts {
  readonly run: string;
  readonly statistics: DeviceStatistics;
  readonly retreat: Retreat;
  readonly prober: SelfProber | null;
  readonly slow: SlowLane;
  readonly guard: Guard;
  readonly budget: Budget;
  readonly folding: Folding;
  readonly fallbacks: Fallbacks;
  readonly terms: SteeringCost;
  readonly clock: StepClock;
  readonly failOpen: (part: string) => FailOpen;
  readonly warn: (title: string, text: string) => void;
}

/**
 * Measures ticks and self-probes and hands them to the guard. The values are read when the device has them, without
 * the training waiting for it; there is one read a tick, and one tick under way.
 */
export class Ticker {
  readonly #parts: TickerParts;
  readonly #noProbe: tf.Tensor1D;
  readonly #probing: FailOpen;
  readonly #measuring: FailOpen;
  readonly #reporting: FailOpen;
  #lastTick = 0;
  #pending: Promise<void> | null = null;
  #unreadProbe: { readonly numbers: tf.Tensor1D; readonly step: number } | null = null;
  #selfProbe: SelfProbe | null = null;
  #nonFinite = 0;
  /** a tick has compared every reference since training began */
  #hasAll = false;
  #warnedOfWaiting = false;
  /** references compared at a time that the budget's cost of a tick is of */
  #most: number;

  constructor(parts: TickerParts) {
    this.#parts = parts;
    this.#most = parts.statistics.store.residence.most;
    this.#probing = parts.failOpen('The self-probe');
    this.#measuring = parts.failOpen('The tap');
    this.#reporting = parts.failOpen('The tap');
    this.#noProbe = tf.keep(tf.fill([PROBE_NUMBERS], Number.NaN)) as tf.Tensor1D;
  }

  get off(): boolean {
    return this.#measuring.off || this.#reporting.off;
  }

  /** With `strict`, throws what failed when a tick was read. */
  rethrow(): void {
    this.#reporting.rethrow();
  }

  get isPending(): boolean {
    return this.#pending !== null;
  }

  /**
   * A tick was due at this step while the last one is still waiting to be read. A loop that never awaits keeps it
   * waiting for ever, which nobody would notice: said once.
   */
  late(step: number): void {
    if (!this.#warnedOfWaiting && step - this.#lastTick > LONGEST_WAIT) {
      this.#warnedOfWaiting = true;
      this.#parts.warn(
        'Ticks can not be read',
        `the tick of step ${this.#lastTick} has waited for ${step - this.#lastTick} steps; a loop that never awaits leaves no time to read it: add \`await tf.nextFrame()\``,
      );
    }
  }

  /** Step of the last tick, 0 before the first. */
  get lastTick(): number {
    return this.#lastTick;
  }

  /** Measures what a tick and a self-probe cost here. @throws what fails in them */
  async rehearse(): Promise<void> {
    const { prober, budget, retreat, statistics } = this.#parts;
    const { period } = statistics.store.residence;
    if (period > 1) {
      // What compares other references at a time, all or in turn, may have to be compiled, for which training would wait.
      await this.#rehearseTick(true);
      for (let turn = 0; turn < period; turn++) {
        await this.#rehearseTick(false);
      }
    }
    // The first round of each compiles; the second is what the budget starts from.
    for (let round = 0; round < 2; round++) {
      const start = performance.now();
      await this.#rehearseTick(false);
      budget.expect('tick', performance.now() - start);
      this.#most = statistics.store.residence.most;
    }
    for (let round = 0; round < 2 && prober !== null; round++) {
      const start = performance.now();
      await retreat.untilDone(async () => (await taken(prober.measure()))());
      budget.expect('probe', performance.now() - start);
    }
  }

  /** With as many references at a time as the device has room for. */
  async #rehearseTick(isWhole: boolean): Promise<void> {
    const { statistics, retreat } = this.#parts;
    await retreat.untilDone(async () => {
      const values = await taken(statistics.measure(this.#noProbe, isWhole));
      statistics.read(values(), 0);
    });
  }

  /** The result stays on the device and travels with the next tick's read. There is none where the device has no room for it. */
  probe(prober: SelfProber, step: number): void {
    this.#probing.run(() => {
      const start = performance.now();
      const numbers = this.#parts.retreat.attempt(() => prober.measure());
      if (numbers !== null) {
        this.#unreadProbe?.numbers.dispose();
        this.#unreadProbe = { numbers, step };
      }
      this.#parts.budget.spend('probe', performance.now() - start);
    });
  }

  /** The first one, and with `isWhole`, compares also the references whose turn it is not. */
  tick(step: number, isWhole = false): void {
    this.#measuring.run(() => this.#tick(step, isWhole || !this.#hasAll));
  }

  #tick(step: number, isWhole: boolean): void {
    const { statistics, retreat, budget, clock } = this.#parts;
    this.#followResidence();
    const start = performance.now();
    const every = step - this.#lastTick;
    this.#lastTick = step;
    const probe = this.#unreadProbe;
    const { errors } = retreat;
    const packed = retreat.attemptTick(() => statistics.measure(probe?.numbers ?? this.#noProbe, isWhole));
    if (packed === null) {
      budget.spend('tick', performance.now() - start);
      return;
    }
    this.#unreadProbe = null;
    probe?.numbers.dispose();
    const measuringMs = performance.now() - start;
    this.#pending = taken(packed).then((values) => {
      const received = performance.now();
      this.#pending = null;
      this.#reporting.runLate(() => {
        const reading = retreat.attemptTick(() => {
          retreat.checkErrors(errors);
          return statistics.read(values(), step);
        });
        if (reading !== null) {
          this.#hasAll ||= isWhole;
          this.#observe(reading, every, probe?.step ?? null);
        }
      });
      const readingMs = performance.now() - received;
      clock.own(readingMs);
      budget.spend('tick', measuringMs + readingMs);
    });
  }

  /** Where references have given memory back, a tick compares fewer of them, and takes less than what was measured. */
  #followResidence(): void {
    const { statistics, budget } = this.#parts;
    const { most } = statistics.store.residence;
    if (most !== this.#most) {
      budget.scale('tick', tickBytes(1, most) / tickBytes(1, this.#most));
      this.#most = most;
    }
  }

  #observe(reading: Reading, every: number, probeStep: number | null): void {
    const { prober, slow, guard, run, folding, fallbacks } = this.#parts;
    slow.fill(reading.statistics);
    if (prober && probeStep !== null) {
      this.#selfProbe = prober.result(reading.extra, probeStep);
    }
    const nonFinite = reading.nonFinite - this.#nonFinite;
    this.#nonFinite = reading.nonFinite;
    const fallen = fallbacks.take();
    guard.observe({
      statistics: {
        ...reading.statistics,
        run,
        time: new Date().toISOString(),
        selfProbe: this.#selfProbe,
      },
      cost: this.#cost(every),
      skipped: { nonFinite, perturbed: folding.takePerturbed(), ...(fallen > 0 && { fallbacks: fallen }) },
    });
  }

  #cost(every: number): TickEvent['cost'] {
    const { budget, terms } = this.#parts;
    const steering = terms.share;
    return {
      stepMs: budget.stepMs,
      foldMs: budget.cost('fold'),
      tickMs: budget.cost('tick'),
      probeMs: budget.cost('probe'),
      slowMs: budget.cost('slow'),
      functionalMs: budget.cost('functional'),
      mergeMs: budget.cost('merge'),
      termMs: terms.termMs,
      ...(steering !== null && { steering }),
      overhead: budget.overhead,
      every,
    };
  }

  /**
   * The final weights once more, against every reference, probe included; with `isWhole` what the slow lane measures too.
   * @throws with `strict` what fails in it
   */
  async finish(step: number, isWhole: boolean): Promise<void> {
    await this.#pending;
    this.rethrow();
    if (this.off) {
      return;
    }
    if (this.#parts.prober) {
      this.probe(this.#parts.prober, step);
    }
    if (isWhole) {
      await this.#parts.slow.finish(step);
    }
    const { retreat } = this.#parts;
    let before: number;
    do {
      before = retreat.count;
      this.tick(step, true);
      await this.#pending;
      this.rethrow();
      // A tick that the device had no room for is taken again, with less.
    } while (retreat.count > before);
  }

  dispose(): void {
    this.#unreadProbe?.numbers.dispose();
    this.#unreadProbe = null;
    this.#noProbe.dispose();
  }
}

/** The values when the device has them, or what throws why it has not; gives the vector's memory back. */
async function taken(packed: tf.Tensor1D): Promise<() => Float32Array> {
  try {
    const values = (await packed.data()) as Float32Array;
    return () => values;
  } catch (error) {
    return () => {
      throw error;
    };
  } finally {
    packed.dispose();
  }
}
