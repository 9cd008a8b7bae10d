import { Observable, Subject } from 'rxjs';
import type { GuardEvent } from './events.js';

/** What a late subscriber gets first, in this order. */
const REMEMBERED = ['hello', 'tick', 'steer', 'end'] as const;

/**
 * The one shared stream of a run's events. Every subscriber sees the same order, also when a subscriber causes
 * further events; a late one gets the last `hello`, `tick` and `steer` (and `end`, if it is over), then what comes.
 * `end` completes it, and what is emitted after it is ignored.
 */
export class EventStream {
  readonly #live = new Subject<GuardEvent>();
  readonly #last = new Map<GuardEvent['event'], GuardEvent>();
  readonly #queue: GuardEvent[] = [];
  #isBusy = false;

  readonly events = new Observable<GuardEvent>((subscriber) => {
    const wasBusy = this.#isBusy;
    // what a subscriber emits while it is told the past comes after the past
    this.#isBusy = true;
    for (const name of REMEMBERED) {
      const event = this.#last.get(name);
      if (event !== undefined) {
        subscriber.next(event);
      }
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
      if (this.#last.has('end')) {
        continue;
      }
      this.#last.set(event.event, event);
      this.#live.next(event);
      if (event.event === 'end') {
        this.#live.complete();
      }
    }
    this.#isBusy = false;
  }
}
