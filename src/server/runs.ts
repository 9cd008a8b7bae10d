import { Observable, Subject, Subscription } from 'rxjs';
import {
  type EndEvent,
  type Guard,
  type GuardEvent,
  type ManualOrder,
  Memory,
  type SteerEvent,
} from '../guard/index.js';
import { messageOf } from '../tensors/errors.js';
import { MergeguardError } from '../tensors/index.js';

/** Finished runs of which is kept what a late subscriber is told. */
const MOST_FINISHED = 8;

interface LiveRun {
  readonly run: string;
  readonly events: Observable<GuardEvent>;
  readonly guard: Steerable;
}

/** What takes orders given by hand, where it does. */
export type Steerable = Pick<Guard, 'steer'>;

/** The runs a server shows: those under way, and what is kept of the last finished ones. */
export class Runs {
  #live = new Map<string, LiveRun>();
  #finished = new Map<string, readonly GuardEvent[]>();
  #attached = new Subject<LiveRun>();
  #keepers = new Subscription();

  /** runs under way */
  get size(): number {
    return this.#live.size;
  }

  isLive(run: string): boolean {
    return this.#live.has(run);
  }

  /**
   * @param guard takes orders given by hand
   * @throws MergeguardError when a run of that name is under way
   */
  attach(run: string, events: Observable<GuardEvent>, guard: Steerable = {}): void {
    if (this.#live.has(run)) {
      throw new MergeguardError(
        `run "${run}" is already under way on this server; give this one another name`,
      );
    }
    const live = { run, events: withEnd(run, events), guard };
    this.#finished.delete(run);
    this.#live.set(run, live);
    this.#attached.next(live);
    this.#keep(live);
  }

  /** @throws MergeguardError when no such run is under way, it takes no orders, or the order is wrong */
  steer(run: string, order: ManualOrder): SteerEvent {
    const live = this.#live.get(run);
    if (live === undefined) {
      const names = [...this.#live.keys()];
      const others =
        names.length === 0 ? 'none is' : `under way ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
      throw new MergeguardError(`run "${run}" is not under way on this server; ${others}`);
    }
    if (live.guard.steer === undefined) {
      throw new MergeguardError(
        `run "${run}" is only shown here; whoever attached it gave no way to steer it`,
      );
    }
    return live.guard.steer(order);
  }

  /**
   * Hands over what is kept of finished runs, then the events of all live and later runs, or of the run
   * `only`. Each live run is subscribed to anew, so that it replays what came before.
   */
  follow(only: string | null, receive: (event: GuardEvent) => void): Subscription {
    const subscription = new Subscription();
    const join = (live: LiveRun) => {
      if (only === null || live.run === only) {
        subscription.add(live.events.subscribe(receive));
      }
    };
    for (const [run, events] of this.#finished) {
      if (only === null || run === only) {
        events.forEach(receive);
      }
    }
    for (const live of this.#live.values()) {
      join(live);
    }
    subscription.add(this.#attached.subscribe(join));
    return subscription;
  }

  close(): void {
    this.#keepers.unsubscribe();
    this.#attached.complete();
  }

  #keep(live: LiveRun): void {
    const memory = new Memory();
    const keeper = live.events.subscribe((event) => {
      memory.remember(event);
      if (event.event === 'end') {
        this.#live.delete(live.run);
        this.#finished.set(live.run, memory.recall());
        for (const run of [...this.#finished.keys()].slice(0, -MOST_FINISHED)) {
          this.#finished.delete(run);
        }
      }
    });
    this.#keepers.add(keeper);
  }
}

/** The events up to the run's end; a stream that breaks or stops without one gets a failed end. */
function withEnd(run: string, events: Observable<GuardEvent>): Observable<GuardEvent> {
  return new Observable((subscriber) => {
    let step = 0;
    const fail = (reason: string) => {
      const time = new Date().toISOString();
      const end: EndEvent = { event: 'end', run, time, step, status: 'failed', reason, summary: {} };
      subscriber.next(end);
      subscriber.complete();
    };
    return events.subscribe({
      next(event) {
        // A probe is of an earlier step.
        step = Math.max(step, event.step);
        subscriber.next(event);
        if (event.event === 'end') {
          subscriber.complete();
        }
      },
      error: (error) => fail(messageOf(error)),
      complete: () => fail('the stream of events stopped without an end'),
    });
  });
}
