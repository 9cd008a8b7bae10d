import { asapScheduler, Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';

/**
 * Works on one value at a time, on the scheduler and so never in the stack of whoever hands it over. There is one
 * waiting slot: a value that comes while one waits is combined with it (`combine(older, newer)`). When the source
 * completes, what waits is worked on first. Neither function may throw.
 *
 * The default scheduler works in a microtask: a training loop that awaits anything at all gives the guard its turn,
 * also on backends whose reads resolve without going through the event loop.
 */
export function conflate<Value, Result>(
  combine: (older: Value, newer: Value) => Value,
  work: (value: Value) => Result,
  scheduler: SchedulerLike = asapScheduler,
): OperatorFunction<Value, Result> {
  return (source) =>
    new Observable((subscriber) => {
      let waiting: { readonly value: Value } | null = null;
      let isScheduled = false;
      let isComplete = false;

      const turn = () => {
        isScheduled = false;
        if (waiting !== null) {
          const { value } = waiting;
          waiting = null;
          subscriber.next(work(value));
        }
        if (isComplete && waiting === null) {
          subscriber.complete();
        }
      };
      const schedule = () => {
        if (!isScheduled) {
          isScheduled = true;
          subscriber.add(scheduler.schedule(turn));
        }
      };

      subscriber.add(
        source.subscribe({
          next: (value) => {
            waiting = { value: waiting === null ? value : combine(waiting.value, value) };
            schedule();
          },
          error: (error) => subscriber.error(error),
          complete: () => {
            isComplete = true;
            schedule();
          },
        }),
      );
    });
}
