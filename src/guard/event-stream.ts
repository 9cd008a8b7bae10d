import { Observable, Subject } from 'rxjs';
import type { GuardEvent } from './events.js';

/**
 * What somebody who comes late must be told of a run: `hello`, the last tick and steer, every alert that is
 * still raised, and `end` if it is over. Bounded by the alerts that can be raised at a time.
 */
export class Memory {
  readonly #last = new Map<GuardEvent['event'], GuardEvent>();
  readonly #raised = new Map<string, GuardEvent>();

  remember(event: GuardEvent): void {
    if (event.event !== 'alert') {
      this.#last.set(event.event, event);
      return;
    }
    const key = JSON.stringify([event.rule, event.reference, event.method]);
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
    return [hello, tick, steer, ...this.#raised.values(), end].filter((event) => event !== undefined);
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

  readonly events = new Observable<GuardEvent>((subscriber) => {
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
