import type { Observable } from 'rxjs';
import type { GradientRecipe, PairStatistics } from '../metrics/pair-statistics.js';
import type { EndEvent, GuardEvent, HelloEvent, SteerEvent, TickEvent } from './events.js';

/** What a tap hands to the guard once a tick. */
export interface Observation {
  readonly statistics: PairStatistics;
  readonly cost: TickEvent['cost'];
  /** steps not folded, by cause, and fallbacks of terms; dropped ticks are counted by the guard */
  readonly skipped: Omit<TickEvent['dropped'], 'ticks'>;
}

/** What a guard must know of a run before its first step. Plain data: it also travels over WebSocket. */
export interface RunSetup {
  readonly run: string;
  readonly backend: string;
  /** library or adapter of the backend, for people; defaults to unknown */
  readonly backendDescription?: string;
  readonly references: HelloEvent['references'];
  readonly coverage: HelloEvent['coverage'];
  /** parts of the statistics that this run never has, and why; defaults to none */
  readonly unmeasured?: PairStatistics['absent'];
  /** steering terms that this run can not have, and why, a sentence each; defaults to none */
  readonly unmet?: Readonly<Record<string, string>>;
  /** kind of the live gradients; defaults to `ema` */
  readonly gradientKind?: GradientRecipe['kind'];
}

/** Steps that an order given by hand lives where it says nothing else. */
export const MANUAL_LIFETIME = 500;

/** The reason of an order that only renews the one before it. */
export const RENEWAL = 'goes on as it is';

/** Terms as somebody orders them by hand. */
export interface ManualOrder {
  /** all that are to be in force; none: no steering */
  readonly terms: readonly {
    readonly term: string;
    readonly strength: number;
    /** what is left out has its default */
    readonly parameters?: Record<string, unknown>;
  }[];
  /** steps that the order lives, from 1; what it replaced is back a tick or two later. Defaults to 500 */
  readonly lifetimeSteps?: number;
  /** defaults to "by hand" */
  readonly reason?: string;
}

/** The hook's view of a guard, in this process or behind a WebSocket. No method but `steer` throws, none blocks. */
export interface Guard {
  /** every event of the run from `hello` on; a late subscriber gets `hello`, the last tick, the last steer and the last probes */
  readonly events: Observable<GuardEvent>;
  /** hands over one tick; one that waits is replaced and counted */
  observe(observation: Observation): void;
  /** puts an event that the hook or a program makes itself (progress, probe) into the stream */
  publish(event: GuardEvent): void;
  /**
   * Follows an order given by hand until its lifetime ends; the event is in the stream then. Absent where the guard takes none (it is
   * in another process: ask that one, see `mergeguard steer`).
   * @throws MergeguardError naming everything that is wrong with the order
   */
  steer?(order: ManualOrder): SteerEvent;
  /** emits `end` and completes; resolves when everything observed has been worked on */
  close(status: EndEvent['status'], summary?: Record<string, unknown>, reason?: string): Promise<void>;
}
