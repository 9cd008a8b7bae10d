import * as tf from '@tensorflow/tfjs';
import type { Subscription } from 'rxjs';
import type { Guard, GuardConfig, TickEvent } from '../../src/guard/index.js';
import type { SelfProbe } from '../../src/metrics/index.js';
import { Budget } from './budget.js';
import { PROBE_NUMBERS, type SelfProber } from './self-probe.js';
import type { DeviceStatistics } from './statistics.js';
import type { SteeringSeams } from './steering-seams.js';

type Gradients = tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[];

export interface TapParts {
  readonly run: string;
  readonly optimizer: tf.Optimizer;
  readonly statistics: DeviceStatistics;
  readonly prober: SelfProber | null;
  readonly steering: SteeringSeams;
  readonly guard: Guard;
  readonly config: GuardConfig;
}

/** Failures in a row after which the tap leaves the training alone. */
const MOST_FAILURES = 3;

/**
 * Sits where the optimiser is handed its gradients. Wraps `computeGradients` (the loss function is at hand
 * there) and `applyGradients` (every gradient passes it, from `minimize`, `fit` and loops of one's own) of one
 * optimiser object, and takes both back on detaching. Nothing in it throws into the training unless the
 * configuration says `strict`.
 */
export class Tap {
  readonly #parts: TapParts;
  readonly #budget: Budget;
  readonly #subscription: Subscription;
  readonly #noProbe: tf.Tensor1D;
  #step = 0;
  #lastTick: number | null = null;
  #foldedAt = -1;
  /** when the optimiser was last handed gradients, and what of the time since was not plain training */
  #mark: number | null = null;
  #ownMs = 0;
  #termMs: number | null = null;
  #pending: Promise<void> | null = null;
  #unreadProbe: { readonly numbers: tf.Tensor1D; readonly step: number } | null = null;
  #selfProbe: SelfProbe | null = null;
  #nonFinite = 0;
  #failures = 0;
  #off = false;
  /** computeGradients was called in this step: the loss function is at hand */
  #computed = false;
  #warnedOfLossTerms = false;
  #unwrap: () => void = () => {};

  constructor(parts: TapParts) {
    this.#parts = parts;
    const active = ['fold', 'tick', ...(parts.prober ? ['probe'] : [])] as ('fold' | 'tick' | 'probe')[];
    this.#budget = new Budget(parts.config.overhead, active);
    this.#noProbe = tf.keep(tf.fill([PROBE_NUMBERS], Number.NaN)) as tf.Tensor1D;
    this.#subscription = parts.guard.events.subscribe((event) => {
      if (event.event === 'steer') {
        for (const problem of parts.steering.follow(event, this.#step)) {
          this.#warn('A steering term can not be followed', problem);
        }
      }
    });
  }

  /** Optimiser steps seen so far. */
  get step(): number {
    return this.#step;
  }

  /** Measures what a fold, a tick and a self-probe cost here, before training starts, and wraps the optimiser. */
  async start(): Promise<void> {
    const { statistics, prober, optimizer } = this.#parts;
    for (let round = 0; round < 2; round++) {
      // The first round compiles; the second is what the budget starts from.
      this.#budget.expect(
        'fold',
        timed(() => statistics.gradients.rehearse()),
      );
      const start = performance.now();
      const packed = statistics.measure(this.#noProbe);
      statistics.read((await packed.data()) as Float32Array);
      packed.dispose();
      this.#budget.expect('tick', performance.now() - start);
    }
    if (prober) {
      const start = performance.now();
      const numbers = prober.measure();
      await numbers.data();
      numbers.dispose();
      this.#budget.expect('probe', performance.now() - start);
    }
    this.#wrap(optimizer);
  }

  #wrap(optimizer: tf.Optimizer): void {
    const compute = optimizer.computeGradients;
    const apply = optimizer.applyGradients;
    optimizer.computeGradients = (f, varList) =>
      this.#compute(f, (loss) => compute.call(optimizer, loss, varList));
    optimizer.applyGradients = (gradients) =>
      this.#apply(gradients as Gradients, (all) => apply.call(optimizer, all));
    this.#unwrap = () => {
      restore(optimizer, 'computeGradients', compute);
      restore(optimizer, 'applyGradients', apply);
    };
  }

  #compute(
    f: () => tf.Scalar,
    evaluate: (f: () => tf.Scalar) => { value: tf.Scalar; grads: tf.NamedTensorMap },
  ) {
    const { steering } = this.#parts;
    this.#computed = true;
    steering.expire(this.#step);
    const due = this.#off ? [] : steering.due(this.#step);
    if (due.length === 0) {
      return evaluate(f);
    }
    const start = performance.now();
    let plainMs = 0;
    const result = steering.gradients(
      due,
      (loss) => {
        const began = performance.now();
        const gradients = evaluate(loss);
        plainMs = performance.now() - began;
        return gradients;
      },
      f,
      (gradients) => this.#safely(() => this.#fold(gradients)),
    );
    // One of the evaluations is the training's own.
    const termMs = performance.now() - start - plainMs;
    this.#ownMs += termMs;
    this.#termMs = termMs;
    return result;
  }

  #apply(gradients: Gradients, apply: (gradients: Gradients) => void): void {
    const now = performance.now();
    if (this.#mark !== null) {
      this.#budget.step(Math.max(0, now - this.#mark - this.#ownMs));
    }
    this.#mark = now;
    this.#ownMs = 0;
    this.#safely(() => {
      this.#fold(byName(gradients));
      this.#probeIfDue();
      this.#tickIfDue();
      this.#warnOfUnusedLossTerms();
    });
    this.#ownMs += performance.now() - now;
    const additions = this.#off ? null : this.#parts.steering.additions();
    if (additions) {
      const all = withAdditions(gradients, additions);
      apply(all.gradients);
      tf.dispose(all.made);
    } else {
      apply(gradients);
    }
    this.#step += 1;
    this.#computed = false;
  }

  /** Folds the plain gradients, once a step. */
  #fold(gradients: Readonly<Record<string, tf.Tensor | null | undefined>>): void {
    const { config, statistics } = this.#parts;
    if (this.#foldedAt === this.#step || this.#off) {
      return;
    }
    const { foldStride } = config.tap;
    if (foldStride === 'auto' ? this.#budget.affords('fold') : this.#step % foldStride === 0) {
      this.#budget.spend(
        'fold',
        timed(() => statistics.gradients.fold(gradients)),
      );
    }
    this.#foldedAt = this.#step;
  }

  #probeIfDue(): void {
    const { config, prober } = this.#parts;
    const { every } = config.selfProbe;
    if (!prober || (every === 'auto' ? !this.#budget.affords('probe') : this.#step % every !== every - 1)) {
      return;
    }
    this.#budget.spend(
      'probe',
      timed(() => this.#probe(prober)),
    );
  }

  /** The result stays on the device and travels with the next tick's read. */
  #probe(prober: SelfProber): void {
    this.#unreadProbe?.numbers.dispose();
    this.#unreadProbe = { numbers: prober.measure(), step: this.#step };
  }

  #tickIfDue(): void {
    const { every, minimumEvery } = this.#parts.config.tap;
    const since = this.#step - (this.#lastTick ?? 0);
    const due = every === 'auto' ? since >= minimumEvery && this.#budget.affords('tick') : since >= every;
    if (due && this.#pending === null) {
      this.#tick();
    }
  }

  /** Measures now; the values are read when the device has them, without the training waiting for it. */
  #tick(): void {
    const { statistics } = this.#parts;
    const start = performance.now();
    const step = this.#step;
    const every = step - (this.#lastTick ?? 0);
    this.#lastTick = step;
    const probe = this.#unreadProbe;
    this.#unreadProbe = null;
    const packed = statistics.measure(probe?.numbers ?? this.#noProbe);
    probe?.numbers.dispose();
    const measuringMs = performance.now() - start;
    this.#pending = packed.data().then(
      (values) => {
        const received = performance.now();
        packed.dispose();
        this.#pending = null;
        this.#safely(() => {
          this.#observe(values as Float32Array, step, every, probe?.step ?? null);
          const readingMs = performance.now() - received;
          this.#ownMs += readingMs;
          this.#budget.spend('tick', measuringMs + readingMs);
        });
      },
      (error) => {
        packed.dispose();
        this.#pending = null;
        this.#fail(error);
      },
    );
  }

  #observe(values: Float32Array, step: number, every: number, probeStep: number | null): void {
    const { statistics, prober, guard, run } = this.#parts;
    const reading = statistics.read(values);
    if (prober && probeStep !== null) {
      this.#selfProbe = prober.result(reading.extra, probeStep);
    }
    const nonFinite = reading.nonFinite - this.#nonFinite;
    this.#nonFinite = reading.nonFinite;
    guard.observe({
      statistics: {
        ...reading.statistics,
        run,
        step,
        time: new Date().toISOString(),
        selfProbe: this.#selfProbe,
      },
      cost: this.#cost(every),
      skipped: { nonFinite, perturbed: 0 },
    });
  }

  #cost(every: number): TickEvent['cost'] {
    const budget = this.#budget;
    return {
      stepMs: budget.stepMs,
      foldMs: budget.cost('fold'),
      tickMs: budget.cost('tick'),
      probeMs: budget.cost('probe'),
      termMs: this.#termMs,
      overhead: budget.overhead,
      every,
    };
  }

  #warnOfUnusedLossTerms(): void {
    if (this.#parts.steering.hasLossTerms && !this.#computed && !this.#warnedOfLossTerms) {
      this.#warnedOfLossTerms = true;
      this.#warn(
        'A steering term does nothing',
        'it evaluates the loss at other weights, and this loop hands over gradients only: call optimizer.minimize or optimizer.computeGradients',
      );
    }
  }

  /** Runs a part of the guard inside the training: a failure becomes an alert, never an exception. */
  #safely(body: () => void): void {
    if (this.#off) {
      return;
    }
    try {
      body();
      this.#failures = 0;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#parts.config.strict) {
      throw error;
    }
    this.#failures += 1;
    const text = error instanceof Error ? error.message : String(error);
    this.#warn('The tap failed; training goes on', text);
    if (this.#failures >= MOST_FAILURES) {
      this.#off = true;
      this.#warn('The tap is switched off', `${this.#failures} failures in a row, the last: ${text}`);
    }
  }

  #warn(title: string, text: string): void {
    this.#parts.guard.publish({
      event: 'alert',
      run: this.#parts.run,
      time: new Date().toISOString(),
      step: this.#step,
      rule: 'internal',
      state: 'raised',
      level: 'warning',
      title,
      text,
      evidence: {},
    });
  }

  /** Takes the optimiser's methods back, then measures the final weights once more, probe included. */
  async stop(): Promise<void> {
    this.#unwrap();
    await this.#pending;
    this.#safely(() => {
      if (this.#parts.prober) {
        this.#probe(this.#parts.prober);
      }
      this.#tick();
    });
    await this.#pending;
    this.#subscription.unsubscribe();
    this.#unreadProbe?.numbers.dispose();
    this.#noProbe.dispose();
    this.#parts.prober?.dispose();
    this.#parts.steering.dispose();
    this.#parts.statistics.dispose();
  }
}

function timed(body: () => void): number {
  const start = performance.now();
  body();
  return performance.now() - start;
}

/** Puts a method back: the prototype's by removing ours, another wrapper's by assigning it. */
function restore<Name extends 'computeGradients' | 'applyGradients'>(
  optimizer: tf.Optimizer,
  name: Name,
  method: tf.Optimizer[Name],
): void {
  delete (optimizer as Partial<Pick<tf.Optimizer, Name>>)[name];
  if (optimizer[name] !== method) {
    optimizer[name] = method;
  }
}

function byName(gradients: Gradients): Record<string, tf.Tensor | null> {
  if (!Array.isArray(gradients)) {
    return gradients;
  }
  return Object.fromEntries(gradients.map(({ name, tensor }) => [name, tensor]));
}

/** The same gradients with the additions in, in the form they came in; `made` is to be disposed afterwards. */
function withAdditions(
  gradients: Gradients,
  additions: tf.NamedTensorMap,
): { gradients: Gradients; made: tf.Tensor[] } {
  const made = Object.values(additions);
  const sum = (name: string, tensor: tf.Tensor): tf.Tensor => {
    if (tensor == null || !(name in additions)) {
      return tensor;
    }
    const total = tf.add(tensor, additions[name]);
    made.push(total);
    return total;
  };
  if (Array.isArray(gradients)) {
    return { made, gradients: gradients.map(({ name, tensor }) => ({ name, tensor: sum(name, tensor) })) };
  }
  return {
    made,
    gradients: Object.fromEntries(
      Object.entries(gradients).map(([name, tensor]) => [name, sum(name, tensor)]),
    ),
  };
}
