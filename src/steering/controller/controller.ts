import { type Comparison, compare, compareLevels, DAMPED, type Trend, trendOf } from './comparison.js';
import { CostWatch } from './cost-watch.js';
import type { ControllerOptions } from './options.js';
import { median } from './robust.js';
import { latest, type Measured, spanOf } from './series.js';
import { clamp, TargetLevel } from './target-level.js';
import { type Measurements, SOURCES, type Source, Truth } from './truth.js';
import { accuracies, between, points } from './words.js';

/** Measurements of each side of a comparison, and the steps that they span: steering takes its time to work. */
const ENOUGH = 6;
const ENOUGH_STEPS = 100;
/** Strength from which measurements count as those with steering. */
const HALF = 0.5;
/** The least gain that is worth steering for, and how near to a target is near enough: fractions of accuracy. */
const LEAST = 0.002;
const NEAR = 0.005;
/** Measurements of which the middle one is held against a target. */
const SMOOTHED = 3;
/** The least change of strength towards a target, but for the last one to none or full: what is less follows noise. */
const LEAST_MOVE = 0.05;
const MOST_TRIES = 3;
/** As `DAMPED`, for the model's own accuracy: what is promised too much there would be called a loss. */
const OWN_DAMPED = 0.3;
/** Terms that train for what the self-probe measures: the loss at scaled weights. */
const MEASURED_BY_SELF_PROBE = ['scale_jitter', 'merge_simulation'];
/**
 * Ticks, and steps counted by the strength in force, after which terms have acted that can: to save time they are made to on every
 * 64th step at the rarest. What acts more rarely would not be measured to help either.
 */
const IDLE_TICKS = 6;
const IDLE_STEPS = 100;

/** What is to be in force from now on. */
export interface Decision {
  /** 0 to 1, 1 being every term's default strength */
  readonly level: number;
  /** terms act this many times more rarely than their options say, from 1 */
  readonly stretch: number;
  /** in plain words, with the numbers that decided */
  readonly reason: string;
}

/**
 * `plain`: measures without steering. `trying`: raises the strength, and measures as long. `kept`: it helped. `returning`: it did
 * not, and goes down. `off`: for good.
 */
type Phase = 'plain' | 'trying' | 'kept' | 'returning' | 'off';

/** What the run was like without steering. */
interface Before {
  readonly source: Source;
  readonly trend: Trend;
  readonly own: readonly Measured[];
}

/**
 * Sets the strength of steering from what the run shows: the best within a budget of own accuracy, or a target. It begins with a
 * plain phase, raises the strength by at most `maximumRate` a decision, and then holds the accuracy after merging against where the
 * trend of the plain phase leads. What does not help by more than noise, or costs too much own accuracy, is taken back; it
 * is tried again at most twice, after pauses that double. What costs too much time however rarely it acts, or does not act at all, is
 * taken back for good. Pure: no clock, no events, nothing drawn.
 */
export class SteeringController {
  readonly #options: ControllerOptions;
  readonly #truth: Truth;
  readonly #target = new TargetLevel();
  readonly #cost: CostWatch;
  #phase: Phase = 'plain';
  #level = 0;
  /** when the plain phase began, steering was raised from nothing, and it reached half its strength or its target; steps */
  #plainFrom = -1;
  #raisedFrom: number | null = null;
  #steeredFrom: number | null = null;
  #before: Before | null = null;
  /** what was found when it was kept; later measurements are held against it */
  #found: readonly Measured[] = [];
  /** it was given up */
  #why = '';
  #tries = 0;
  /** it was given up for good, however few the tries */
  #isLast = false;
  #decidedAt: number | null = null;
  #heldBackBy = 'nothing was measured that it goes by: no merge probe, self-probe or score';
  /** kinds with a value that no decision has seen */
  readonly #news = new Set<Source>();
  /** how long terms have been in force without having acted; null: they have */
  #idle: { ticks: number; steps: number } | null = { ticks: 0, steps: 0 };
  #step = 0;

  /** @param stretchable names of the terms that can act more rarely than their options say */
  constructor(options: ControllerOptions, stretchable: readonly string[]) {
    this.#options = options;
    this.#truth = new Truth(this.#ownTerms.length > 0);
    this.#cost = new CostWatch(options.costBudget, stretchable);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Why it has never raised a strength, in plain words; null where it has. */
  get heldBackBy(): string | null {
    return this.#phase === 'plain' && this.#tries === 0 ? this.#heldBackBy : null;
  }

  /** Begins again with a plain phase: somebody else has steered meanwhile. Tries that were made stay made. */
  restart(step: number): void {
    this.#level = 0;
    this.#begin(this.#phase === 'off' || this.#isLast ? 'off' : 'plain', step);
  }

  /** @returns what changes, or is to be said; null: nothing */
  update(measurements: Measurements): Decision | null {
    for (const source of this.#truth.add(measurements)) {
      this.#news.add(source);
    }
    const { step, stepCost } = measurements;
    const idle = this.#whyIdle(measurements);
    const costs = this.#level > 0 ? this.#cost.add(stepCost, step) : null;
    this.#step = step;
    const futile = idle ?? (this.#cost.isTooMuch ? costs : null);
    const said = futile === null ? [costs] : [];
    if (futile !== null || this.#isDue(step)) {
      said.push(futile === null ? this.#decide(step) : this.#giveUpForGood(futile, step));
      this.#decidedAt = step;
      this.#news.clear();
    }
    const reasons = said.filter((each) => each !== null);
    return reasons.length === 0
      ? null
      : { level: this.#level, stretch: this.#cost.stretch, reason: reasons.join('; ') };
  }

  #isDue(step: number): boolean {
    const { every } = this.#options;
    if (every !== 'auto' && this.#decidedAt !== null && step - this.#decidedAt < every) {
      return false;
    }
    // On the way down there is nothing to wait for.
    return (
      this.#phase === 'returning' ||
      (this.#before === null ? this.#news.size > 0 : this.#news.has(this.#before.source))
    );
  }

  /** Why terms that are in force can not be acting, or null. */
  #whyIdle({ step, stepCost }: Measurements): string | null {
    if (stepCost !== null) {
      this.#idle = null;
    }
    const { every } = this.#options;
    // At a fixed cadence an order acts on a later step.
    const acts = (this.#raisedFrom ?? step) + (every === 'auto' ? 0 : every);
    if (this.#idle === null || this.#level === 0 || step <= acts) {
      return null;
    }
    this.#idle.ticks += 1;
    this.#idle.steps += this.#level * (step - Math.max(this.#step, acts));
    if (this.#idle.ticks < IDLE_TICKS || this.#idle.steps < IDLE_STEPS) {
      return null;
    }
    return `no term acts: none has taken any time since step ${this.#raisedFrom}; an alert says which can not be followed, or the training loop shows no loss function`;
  }

  /** @returns the reason of a change, or null */
  #decide(step: number): string | null {
    switch (this.#phase) {
      case 'plain':
        return this.#afterPlain(step);
      case 'trying':
        return this.#whileTrying(step);
      case 'kept':
        return this.#whileKept(step);
      case 'returning':
        return this.#goDown(step);
      case 'off':
        return null;
    }
  }

  #afterPlain(step: number): string | null {
    const pause = ENOUGH * 2 ** this.#tries;
    const source = this.#truth.judge(this.#plainFrom, pause);
    if (source === null) {
      this.#heldBackBy = `it waits for ${pause} measurements, of which there were ${this.#counts()}`;
      return null;
    }
    const measured = this.#truth.of(source, this.#plainFrom);
    const { last, miss } = this.#reading(source);
    if (spanOf(measured) < ENOUGH_STEPS) {
      this.#heldBackBy = `it waits for measurements over ${ENOUGH_STEPS} steps, and those of the ${source} were over ${spanOf(measured)}`;
      return null;
    }
    if (miss !== null && miss <= NEAR) {
      this.#heldBackBy = `without it the ${source} was ${accuracies(last, this.#options.target)} already`;
      return null;
    }
    const own = latest(this.#truth.own.after(this.#plainFrom), 2 * ENOUGH, ENOUGH_STEPS);
    const unknown =
      own.length < ENOUGH / 2 ? '; what it costs the model itself can not be seen: no self-probe' : '';
    const moved = this.#move(
      this.#wanted(miss),
      step,
      `after ${measured.length} measurements by the ${this.#named(source)} without steering, now ${accuracies(last, this.#options.target)}${unknown}`,
    );
    if (moved === null) {
      this.#heldBackBy = 'what is missing from the target is too little to steer for';
    } else {
      this.#before = { source, trend: trendOf(latest(measured, 2 * ENOUGH, ENOUGH_STEPS)), own };
      this.#phase = 'trying';
      this.#tries += 1;
    }
    return moved;
  }

  #whileTrying(step: number): string | null {
    const { source, trend } = this.#before!;
    const loss = this.#loss();
    if (loss !== null) {
      return this.#giveUp(loss, step);
    }
    const { last, miss } = this.#reading(source);
    const isReached = miss !== null && this.#level > 0 && Math.abs(miss) <= NEAR;
    if (this.#steeredFrom === null && (this.#level >= HALF || isReached)) {
      this.#steeredFrom = step;
    }
    const steered = this.#steeredFrom === null ? [] : this.#truth.of(source, this.#steeredFrom);
    if (steered.length < ENOUGH || spanOf(steered) < ENOUGH_STEPS) {
      return this.#move(
        this.#wanted(miss),
        step,
        `${this.#named(source)}: ${accuracies(last, this.#options.target)}`,
      );
    }
    const comparison = compare(trend, steered, DAMPED);
    const gain = comparison.found - comparison.expected;
    // Of several tries one looks good by chance: every further one has to be clearer.
    if (gain <= Math.max(LEAST, (1 + (this.#tries - 1) / 2) * comparison.noise)) {
      return this.#giveUp(`it does not help: ${described(comparison, this.#named(source))}`, step);
    }
    this.#phase = 'kept';
    this.#found = steered;
    return `it helps: ${described(comparison, this.#named(source))}`;
  }

  #whileKept(step: number): string | null {
    const { source } = this.#before!;
    const loss = this.#loss();
    if (loss !== null) {
      return this.#giveUp(loss, step);
    }
    const { last, miss } = this.#reading(source);
    const since = this.#truth.of(source, this.#found.at(-1)!.step);
    const recent = latest(since, ENOUGH, ENOUGH_STEPS);
    const isLong = recent.length >= ENOUGH && spanOf(recent) >= ENOUGH_STEPS;
    // A target may be overshot on purpose: there it is let fall.
    if (isLong && this.#options.target === null) {
      const comparison = compareLevels(this.#found, recent);
      if (comparison.expected - comparison.found > Math.max(LEAST, 2 * comparison.noise)) {
        const fall = between(comparison.found, comparison.expected);
        return this.#giveUp(`it has stopped helping: ${this.#named(source)} ${fall} when it was kept`, step);
      }
    }
    if (miss !== null && Math.abs(miss) <= NEAR) {
      return null;
    }
    return this.#move(
      this.#wanted(miss),
      step,
      `${this.#named(source)}: ${accuracies(last, this.#options.target)}`,
    );
  }

  /** Why the model itself has lost too much, or null. */
  #loss(): string | null {
    const before = this.#before!.own;
    const now = this.#raisedFrom === null ? [] : this.#truth.own.after(this.#raisedFrom).slice(-ENOUGH);
    if (before.length < ENOUGH / 2 || now.length < ENOUGH / 2) {
      return null;
    }
    const comparison = compare(trendOf(before), now, OWN_DAMPED);
    const { accuracyBudget } = this.#options;
    if (comparison.expected - comparison.found <= accuracyBudget + comparison.noise) {
      return null;
    }
    return `the model's own accuracy is ${between(comparison.found, comparison.expected)} as its trend without led to expect, which is more than its budget of ${points(accuracyBudget)} and the noise of ${points(comparison.noise)} below`;
  }

  #giveUp(why: string, step: number): string {
    this.#phase = 'returning';
    this.#why = why;
    return this.#goDown(step);
  }

  #giveUpForGood(why: string, step: number): string {
    this.#isLast = true;
    return this.#giveUp(why, step);
  }

  /** One decision nearer to nothing. */
  #goDown(step: number): string {
    this.#level = Math.max(0, this.#level - this.#options.maximumRate);
    const again = !this.#isLast && this.#tries < MOST_TRIES;
    if (this.#level === 0) {
      this.#begin(again ? 'plain' : 'off', step);
    }
    const tried = this.#isLast ? '' : `tried ${MOST_TRIES} times, and `;
    const next = again
      ? `tried again after ${ENOUGH * 2 ** this.#tries} measurements without`
      : `${tried}stays off`;
    return `goes back to ${share(this.#level)}: ${this.#why}; ${next}`;
  }

  #begin(phase: 'plain' | 'off', step: number): void {
    this.#phase = phase;
    this.#plainFrom = step;
    this.#raisedFrom = null;
    this.#steeredFrom = null;
    this.#before = null;
    this.#found = [];
    this.#target.reset();
  }

  /** The controlled terms whose own measure the self-probe is: what they gain there they may not gain in a merge. */
  get #ownTerms(): string[] {
    return this.#options.terms.filter((term) => MEASURED_BY_SELF_PROBE.includes(term));
  }

  #named(source: Source): string {
    const own = this.#ownTerms;
    return source === 'self-probe' && own.length > 0
      ? `self-probe (the own measure of ${own.join(' and ')})`
      : source;
  }

  /** Of every kind since the plain phase began. */
  #counts(): string {
    return SOURCES.map((source) => `${this.#truth.of(source, this.#plainFrom).length} by ${source}`).join(
      ', ',
    );
  }

  #reading(source: Source): { last: number; miss: number | null } {
    const recent = this.#truth.of(source, this.#plainFrom).slice(-SMOOTHED);
    const last = median(recent.map(({ value }) => value));
    const { target } = this.#options;
    return { last, miss: target === null ? null : target - last };
  }

  #wanted(miss: number | null): number {
    return miss === null ? 1 : this.#target.next(miss, this.#level, this.#options.maximumRate);
  }

  /** As far towards `wanted` as one decision may go. */
  #move(wanted: number, step: number, because: string): string | null {
    const { maximumRate } = this.#options;
    const before = this.#level;
    this.#level = clamp(Math.min(before + maximumRate, Math.max(before - maximumRate, wanted)));
    const isSmall = Math.abs(this.#level - before) < Math.min(LEAST_MOVE, maximumRate / 2);
    if (this.#level === before || (isSmall && this.#level > 0 && this.#level < 1)) {
      this.#level = before;
      return null;
    }
    this.#raisedFrom ??= step;
    if (this.#steeredFrom === null && this.#level >= HALF) {
      this.#steeredFrom = step;
    }
    return `${this.#level > before ? 'raised' : 'lowered'} from ${share(before)} to ${share(this.#level)}: ${because}`;
  }
}

function described({ found, expected, noise }: Comparison, source: string): string {
  return `${source} ${between(found, expected)} as the trend before led to expect, give or take ${points(noise)}`;
}

function share(level: number): string {
  return level === 0 ? 'none' : `${Number((100 * level).toPrecision(3))} % of full strength`;
}
