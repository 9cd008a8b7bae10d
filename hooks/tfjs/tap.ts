import type * as tf from '@tensorflow/tfjs';
import type { Subscription } from 'rxjs';
import { answerMs, isAsynchronous } from '../../src/backend/index.js';
import type { Guard, GuardConfig } from '../../src/guard/index.js';
import type { LossGradients } from '../../src/steering/index.js';
import { type Activity, Budget } from './budget.js';
import { type DeviceAlert, watchDevice } from './device-watch.js';
import { FailOpen } from './fail-open.js';
import { Folding } from './folding.js';
import type { Instruments } from './instruments.js';
import type { MergeResult } from './merge-probe/index.js';
import { byName, type Gradients, wrapOptimizer } from './optimizer-seam.js';
import { Retreat } from './reference-memory/index.js';
import { SlowLane } from './slow-lane.js';
import { Fallbacks, Steering, SteeringCost, type SteeringWarning } from './steering/index.js';
import { StepClock, timed } from './step-clock.js';
import { Ticker } from './ticker.js';
import type { LookWarning } from './training-look/index.js';

export interface TapParts {
  readonly run: string;
  readonly optimizer: tf.Optimizer;
  readonly instruments: Instruments;
  /** see EvaluationOptions */
  readonly plainFirst: boolean;
  readonly guard: Guard;
  readonly config: GuardConfig;
}

/** Where no tick has come by this step, and one comes more rarely than this many steps, that is said. */
const RARE_SAID_AT = 100;
const RARE = 500;
/**
 * Of the overhead that is allowed, the part that is planned with: what no clock around the guard's work sees (garbage that is collected
 * later, caches that the training finds cold) is to fit under the limit too.
 */
const PLANNED = 0.8;

/**
 * Sits where the optimiser is handed its gradients. Wraps `computeGradients` (the loss function is at hand
 * there) and `applyGradients` (every gradient passes it, from `minimize`, `fit` and loops of one's own) of one
 * optimiser object, and takes both back on detaching. Nothing in it throws into the training unless the
 * configuration says `strict`.
 */
export class Tap {
  readonly #parts: TapParts;
  readonly #budget: Budget;
  readonly #clock = new StepClock();
  readonly #slow: SlowLane;
  readonly #retreat: Retreat;
  readonly #ticker: Ticker;
  readonly #folding: Folding;
  readonly #steering: Steering;
  readonly #subscription: Subscription;
  readonly #unwatchDevice: () => void;
  #step = 0;
  #unwrap: () => void = () => {};

  constructor(parts: TapParts) {
    this.#parts = parts;
    const { run, instruments, guard, config } = parts;
    const { measurements, prober, statistics } = instruments;
    const warn = (title: string, text: string) => this.#warn(title, text);
    const failOpen = (part: string) => new FailOpen(part, config.strict, warn);
    const budget = new Budget(PLANNED * config.overhead, this.#activities());
    const clock = this.#clock;
    this.#budget = budget;
    this.#retreat = new Retreat(statistics.store, (warning) => this.#alert(warning));
    const retreat = this.#retreat;
    const isFed = instruments.stream.gradientKind === 'ema';
    const folding = new Folding({
      average: isFed ? statistics.gradients : null,
      stride: config.tap.foldStride,
      budget,
      retreat,
      failOpen: failOpen('The gradient average'),
    });
    this.#folding = folding;
    const progress = (phase: string, done: number, total: number) => this.#progress(phase, done, total);
    const probed = (result: MergeResult) => this.#probed(result);
    const slow = new SlowLane({
      measurements,
      config,
      budget,
      clock,
      retreat,
      failOpen,
      warn,
      progress,
      probed,
    });
    this.#slow = slow;
    instruments.look?.begin({
      budget,
      clock,
      failOpen: failOpen('The look at training samples'),
      warn: (warning) => this.#alert(warning),
    });
    const terms = new SteeringCost();
    const fallbacks = new Fallbacks((warning) => this.#alert(warning));
    const measured = { budget, folding, fallbacks, terms, clock };
    this.#ticker = new Ticker({ run, statistics, retreat, prober, slow, guard, failOpen, warn, ...measured });
    const steering = new Steering({
      context: instruments.steering,
      nonTrainable: instruments.nonTrainable,
      plainFirst: parts.plainFirst,
      folding,
      clock,
      cost: terms,
      fallbacks,
      failOpen,
      warn: (warning) => this.#alert(warning),
    });
    this.#steering = steering;
    try {
      this.#subscription = guard.events.subscribe((event) => {
        if (event.event === 'steer') {
          steering.follow(event, this.#step);
        } else if (event.event === 'tick') {
          statistics.store.follow(event.pairs);
        }
      });
    } catch (error) {
      // A guard of the user's own may be anything.
      this.#ticker.dispose();
      this.#retreat.dispose();
      steering.dispose();
      throw error;
    }
    this.#unwatchDevice = watchDevice((alert) => this.#alert(alert));
  }

  /** What there is to do in this run. */
  #activities(): Activity[] {
    const { stream, statistics, prober, measurements, look } = this.#parts.instruments;
    const activities = SlowLane.activities(measurements);
    activities.push('tick');
    if (stream.gradientKind === 'ema' && statistics.gradients) {
      activities.push('fold');
    }
    if (prober) {
      activities.push('probe');
    }
    if (look) {
      activities.push('look');
    }
    return activities;
  }

  /** Optimiser steps seen so far. */
  get step(): number {
    return this.#step;
  }

  /** Measures what everything costs here, before training starts, and wraps the optimiser. */
  async start(): Promise<void> {
    if (isAsynchronous()) {
      this.#budget.beside(await answerMs());
    }
    await this.#folding.rehearse();
    await this.#ticker.rehearse();
    await this.#slow.rehearse();
    this.#unwrap = wrapOptimizer(this.#parts.optimizer, {
      compute: (f, evaluate) => this.#compute(f, evaluate),
      apply: (gradients, apply) => this.#apply(gradients, apply),
    });
  }

  #compute(f: () => tf.Scalar, evaluate: (f: () => tf.Scalar) => LossGradients): LossGradients {
    const ownLoss = this.#parts.instruments.look?.into(f) ?? f;
    return this.#steering.compute({ loss: f, ownLoss, evaluate }, this.#step);
  }

  /** See `Attached`. */
  steered(compute: () => LossGradients): LossGradients {
    return this.#steering.steered(compute, this.#step, () => this.#step);
  }

  #apply(gradients: Gradients, apply: (gradients: Gradients) => void): void {
    const plainMs = this.#clock.step();
    if (plainMs !== null) {
      this.#budget.step(plainMs);
    }
    this.#clock.own(timed(() => this.#watch(gradients)));
    this.#steering.apply(gradients, apply, { step: this.#step, plainMs: this.#budget.stepMs });
    this.#step += 1;
  }

  #watch(gradients: Gradients): void {
    this.#ticker.rethrow();
    if (this.#ticker.off) {
      return;
    }
    this.#folding.fold(byName(gradients), this.#step);
    const { prober } = this.#parts.instruments;
    if (prober && this.#isProbeDue()) {
      this.#ticker.probe(prober, this.#step);
    }
    if (this.#isTickDue()) {
      this.#ticker.tick(this.#step);
    }
    this.#slow.step(this.#step);
    if (this.#step === RARE_SAID_AT) {
      this.#sayIfRare();
    }
  }

  /** A run of a small model may be over before its steps have paid for a tick. */
  #sayIfRare(): void {
    const { tap, overhead } = this.#parts.config;
    const budget = this.#budget;
    const steps = budget.stepsPerRun('tick') ?? 0;
    if (tap.every !== 'auto' || this.#ticker.lastTick > 0 || steps <= RARE || !Number.isFinite(steps)) {
      return;
    }
    const [tickMs, stepMs] = [budget.cost('tick')!, budget.stepMs!].map((ms) => Number(ms.toPrecision(2)));
    this.#alert({
      level: 'info',
      title: 'Ticks will be rare',
      text: `a tick takes ${tickMs} ms, a step ${stepMs} ms: the ticks' share of overhead ${overhead} pays for one in about ${Number(steps.toPrecision(2))} steps; raise overhead, or set tap.every to a number of steps, for more`,
      evidence: { tickMs, stepMs, stepsPerTick: Math.round(steps) },
    });
  }

  #isProbeDue(): boolean {
    const { every } = this.#parts.config.selfProbe;
    return every === 'auto' ? this.#budget.affords('probe') : this.#step % every === every - 1;
  }

  #isTickDue(): boolean {
    const { every, minimumEvery } = this.#parts.config.tap;
    const since = this.#step - this.#ticker.lastTick;
    const due = every === 'auto' ? since >= minimumEvery && this.#budget.affords('tick') : since >= every;
    if (due && this.#ticker.isPending) {
      this.#ticker.late(this.#step);
      return false;
    }
    return due;
  }

  #progress(phase: string, done: number, total: number): void {
    const { run, guard } = this.#parts;
    const time = new Date().toISOString();
    guard.publish({ event: 'progress', run, time, step: this.#step, phase, done, total });
  }

  #probed(result: MergeResult): void {
    const { run, guard } = this.#parts;
    guard.publish({ event: 'probe', run, time: new Date().toISOString(), kind: 'merge', ...result });
  }

  #warn(title: string, text: string): void {
    this.#alert({ title, text, evidence: {} });
  }

  #alert(warning: LookWarning | SteeringWarning | DeviceAlert): void {
    const { run, guard } = this.#parts;
    guard.publish({
      event: 'alert',
      run,
      time: new Date().toISOString(),
      step: this.#step,
      rule: 'internal',
      state: 'raised',
      level: 'warning',
      ...warning,
    });
  }

  /**
   * Takes the optimiser's methods back, then measures the final weights once more, probe included, and with `isWhole`
   * everything that the slow lane measures.
   * @throws with `strict` what fails in it; the device memory is given back all the same
   */
  async stop(isWhole: boolean): Promise<void> {
    this.#unwrap();
    this.#budget.end();
    try {
      await this.#steering.settle();
      await this.#ticker.finish(this.#step, isWhole);
    } finally {
      await this.dispose();
    }
  }

  async dispose(): Promise<void> {
    this.#unwrap();
    this.#subscription.unsubscribe();
    this.#unwatchDevice();
    this.#slow.stop();
    this.#parts.instruments.look?.stop();
    this.#ticker.dispose();
    this.#retreat.dispose();
    this.#steering.dispose();
    await this.#parts.instruments.close();
  }
}
