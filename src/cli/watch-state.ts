import type {
  AlertEvent,
  EndEvent,
  GuardEvent,
  HelloEvent,
  ProgressEvent,
  SteerEvent,
  TickEvent,
} from '../guard/events.js';

/** Values kept per method and reference; when there are more, every second one goes. */
export const MOST_VALUES = 512;
export const MOST_ALERTS = 8;

/** What the terminal view knows of the run it shows. */
export interface WatchState {
  readonly run: string | null;
  readonly step: number;
  readonly hello: HelloEvent | null;
  readonly progress: ProgressEvent | null;
  readonly tick: TickEvent | null;
  /** predicted normalised accuracy over the ticks, by `historyKey` */
  readonly history: ReadonlyMap<string, readonly (number | null)[]>;
  /** the last ones, newest first */
  readonly alerts: readonly AlertEvent[];
  readonly steer: SteerEvent | null;
  readonly end: EndEvent | null;
  /** other runs that the same server reports */
  readonly others: ReadonlySet<string>;
}

export const EMPTY: WatchState = {
  run: null,
  step: 0,
  hello: null,
  progress: null,
  tick: null,
  history: new Map(),
  alerts: [],
  steer: null,
  end: null,
  others: new Set(),
};

export function historyKey(method: string, reference: string): string {
  return JSON.stringify([method, reference]);
}

/**
 * The state after one more event. The first run is shown until it ends and another one says hello; what a
 * server repeats after a reconnect is counted once.
 */
export function reduce(state: WatchState, event: GuardEvent): WatchState {
  if (state.run !== null && event.run !== state.run) {
    if (event.event !== 'hello' || state.end === null) {
      return { ...state, others: new Set([...state.others, event.run]) };
    }
    return reduce({ ...EMPTY, others: without(state.others, event.run) }, event);
  }
  const next = { ...state, run: event.run, step: Math.max(state.step, event.step) };
  switch (event.event) {
    case 'hello':
      return state.hello !== null && state.hello.time !== event.time
        ? reduce({ ...EMPTY, others: state.others }, event)
        : { ...next, hello: event };
    case 'progress':
      return { ...next, progress: event };
    case 'tick':
      return withTick(next, event);
    case 'alert':
      return state.alerts.some((other) => sameAlert(other, event))
        ? next
        : { ...next, alerts: [event, ...state.alerts].slice(0, MOST_ALERTS) };
    case 'steer':
      return { ...next, steer: event };
    case 'end':
      return { ...next, end: event };
    case 'probe':
      return next;
  }
}

function withTick(state: WatchState, tick: TickEvent): WatchState {
  if (state.tick !== null && tick.step <= state.tick.step) {
    return state;
  }
  const history = new Map(state.history);
  for (const pair of tick.pairs) {
    for (const score of pair.scores) {
      const key = historyKey(score.method, pair.reference);
      history.set(key, bounded([...(history.get(key) ?? []), score.value]));
    }
  }
  return { ...state, tick, history };
}

function bounded(values: (number | null)[]): (number | null)[] {
  if (values.length <= MOST_VALUES) {
    return values;
  }
  const parity = (values.length - 1) % 2;
  return values.filter((_, index) => index % 2 === parity);
}

function sameAlert(a: AlertEvent, b: AlertEvent): boolean {
  return a.step === b.step && JSON.stringify(a) === JSON.stringify(b);
}

function without(set: ReadonlySet<string>, gone: string): Set<string> {
  return new Set([...set].filter((each) => each !== gone));
}
