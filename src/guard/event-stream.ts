import { Observable, type Observer, Subject, Subscriber, type Subscription } from 'rxjs';
import type { GuardEvent } from './events.js';

/**
 * What somebody who comes late must be told of a run: `hello`, the last tick and steer, the last merge probe of every method and
 * reference, every alert that is still raised, and `end` if it is over. Bounded by the pairs that are probed and the alerts that
 * can be raised at a time.
 */
export class Memory {
  readonly #last = new Map<GuardEvent['event'], GuardEvent>();
  readonly #raised = new Map<string, GuardEvent>();
  readonly #probes = new Map<string, GuardEvent>();

  remember(event: GuardEvent): void {
    if (event.event === 'hello') {
      // A run that begins anew (a served guard that was lost and found) knows nothing of what was before.
      this.#raised.clear();
      this.#probes.clear();
    }
    if (event.event === 'probe') {
      this.#probes.set(JSON.stringify([event.method, event.reference]), event);
      return;
    }
    if (event.event !== 'alert') {
      this.#last.set(event.event, event);
      return;
    }
    // What a hook has to say of its work is never cleared: one sentence does not stand for another.
    const said = event.rule === 'internal' && event.level !== 'error' ? event.title : null;
    const key = JSON.stringify([event.rule, event.reference, event.method, said]);
    if (event.state === 'raised') {
      this.#raised.set(key, event);
    } else {
      this.#raised.delete(key);
    }
  }

  get isOver(): boolean {
    return this.#last.has('end');
  }

  recall(): GuardEvent[] {
    const { hello, tick, steer, end } = Object.fromEntries(this.#last);
    return [hello, tick, steer, ...this.#probes.values(), ...this.#raised.values(), end].filter(
      (event) => event !== undefined,
    );
  }
}

/**
 * An Observable whose direct subscribers may fail: rxjs throws what a subscriber throws as an uncaught error, which
 * would end the training; here it is a warning of the process, once a subscriber.
 */
class Forgiving<Value> extends Observable<Value> {
  override subscribe(
    first?: Partial<Observer<Value>> | ((value: Value) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // An operator on the way to somebody else.
    if (first instanceof Subscriber) {
      return super.subscribe(first);
    }
    const observer: Partial<Observer<Value>> =
      typeof first === 'function'
        ? { next: first, error: error ?? undefined, complete: complete ?? undefined }
        : (first ?? {});
    let hasFailed = false;
    const next = (value: Value) => {
      try {
        observer.next?.(value);
      } catch (error) {
        if (!hasFailed) {
          hasFailed = true;
          process.emitWarning(
            `a subscriber of the guard's events failed: ${error instanceof Error ? error.stack : error}`,
          );
        }
      }
    };
    return super.subscribe({
      next,
      error: (reason) => observer.error?.(reason),
      complete: () => observer.complete?.(),
    });
  }
}

/**
 * The one shared stream of a run's events. Every subscriber sees the same order, also when a subscriber causes
 * further events; a late one gets what `Memory` recalls, then what comes. `end` completes it, and what is
 * emitted after it is ignored.
 */
export class EventStream {
  readonly #live = new Subject<GuardEvent>();
  readonly #memory = new Memory();
  readonly #queue: GuardEvent[] = [];
  #isBusy = false;

  readonly events = new Forgiving<GuardEvent>((subscriber) => {
    const wasBusy = this.#isBusy;
    // what a subscriber emits while it is told the past comes after the past
    this.#isBusy = true;
    for (const event of this.#memory.recall()) {
      subscriber.next(event);
    }
    this.#live.subscribe(subscriber);
    this.#isBusy = wasBusy;
    this.#drain();
  });

  emit(event: GuardEvent): void {
    this.#queue.push(event);
    this.#drain();
  }

  #drain(): void {
    if (this.#isBusy) {
      return;
    }
    this.#isBusy = true;
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
      if (this.#memory.isOver) {
        continue;
      }
      this.#memory.remember(event);
      this.#live.next(event);
      if (event.event === 'end') {
        this.#live.complete();
      }
    }
    this.#isBusy = false;
  }
}
