/**
 * What the page knows: a pure reduction of the guard's events, without any DOM. Everything is bounded, since
 * a page stays open for days.
 * @import { AlertEvent, EndEvent, GuardEvent, HelloEvent, ProbeEvent, ProgressEvent, Score, SteerEvent, TickEvent } from '../guard/events.js'
 */

export const MOST_TICKS = 2000;
export const MOST_ALERTS = 200;
export const MOST_STEERS = 100;
export const MOST_RUNS = 8;

/**
 * One predicted accuracy and its interval, as fractions; what can't be said is null.
 * @typedef {{ value: number | null, low: number | null, high: number | null }} Shown
 * @typedef {{ step: number, scores: Map<string, { normalised: Shown, raw: Shown }> }} Point one tick of the history
 * @typedef {{
 *   run: string, hello: HelloEvent | null, progress: ProgressEvent | null, tick: TickEvent | null, step: number,
 *   points: Point[], alerts: AlertEvent[], open: Map<string, AlertEvent>, steers: SteerEvent[],
 *   probes: Map<string, ProbeEvent>, end: EndEvent | null
 * }} Run
 * @typedef {{ runs: Map<string, Run>, current: string | null }} State
 */

/** @returns {State} */
export function createState() {
  return { runs: new Map(), current: null };
}

/** @param {string} run @returns {Run} */
function createRun(run) {
  const none = { hello: null, progress: null, tick: null, end: null };
  return { run, ...none, step: 0, points: [], alerts: [], open: new Map(), steers: [], probes: new Map() };
}

/** @param {string} method @param {string} reference */
export function keyOf(method, reference) {
  return JSON.stringify([method, reference]);
}

/**
 * Folds one event into the state, in place. An event that was seen before (the server repeats some after a
 * reconnect) changes nothing.
 * @param {State} state
 * @param {GuardEvent} event
 */
export function apply(state, event) {
  let run = state.runs.get(event.run);
  const restarted = event.event === 'hello' && run?.hello && run.hello.time !== event.time;
  if (!run || restarted) {
    run = createRun(event.run);
    state.runs.set(event.run, run);
    dropOldRuns(state);
  }
  run.step = Math.max(run.step, event.step);
  switch (event.event) {
    case 'hello':
      run.hello = event;
      break;
    case 'progress':
      run.progress = event;
      break;
    case 'tick':
      addTick(run, event);
      break;
    case 'probe':
      run.probes.set(keyOf(event.method, event.reference), event);
      break;
    case 'alert':
      addAlert(run, event);
      break;
    case 'steer':
      addNew(run.steers, event, MOST_STEERS);
      break;
    case 'end':
      run.end = event;
      break;
  }
  const shown = state.current === null ? undefined : state.runs.get(state.current);
  if (!shown || (event.event === 'hello' && shown.end && shown.run !== event.run)) {
    state.current = event.run;
  }
}

/** @param {State} state */
function dropOldRuns(state) {
  for (const name of state.runs.keys()) {
    if (state.runs.size <= MOST_RUNS) {
      return;
    }
    if (name !== state.current) {
      state.runs.delete(name);
    }
  }
}

/** @param {Run} run @param {TickEvent} tick */
function addTick(run, tick) {
  if (!run.tick || tick.step >= run.tick.step) {
    run.tick = tick;
  }
  const point = { step: tick.step, scores: scoresOf(tick) };
  const before = run.points.findLastIndex((other) => other.step <= tick.step);
  const known = run.points[before]?.step === tick.step;
  run.points.splice(known ? before : before + 1, known ? 1 : 0, point);
  if (run.points.length > MOST_TICKS) {
    run.points = thinned(run.points);
  }
}

/**
 * Every second point: the old part gets coarser each time, the newest point always stays.
 * @param {Point[]} points
 */
function thinned(points) {
  const parity = (points.length - 1) % 2;
  return points.filter((_, index) => index % 2 === parity);
}

/** @param {TickEvent} tick */
function scoresOf(tick) {
  const scores = new Map();
  for (const pair of tick.pairs) {
    for (const score of pair.scores) {
      scores.set(keyOf(score.method, pair.reference), {
        normalised: shownOf(score, false),
        raw: shownOf(score, true),
      });
    }
  }
  return scores;
}

/**
 * The raw interval is the normalised one times the live model's own accuracy, as the raw value is.
 * @param {Score} score
 * @param {boolean} raw
 * @returns {Shown}
 */
export function shownOf(score, raw) {
  if (!raw) {
    return { value: score.value, low: score.low, high: score.high };
  }
  if (score.raw === null || !score.value) {
    return { value: score.raw, low: null, high: null };
  }
  const own = score.raw / score.value;
  const times = (/** @type {number | null} */ bound) => (bound === null ? null : bound * own);
  return { value: score.raw, low: times(score.low), high: times(score.high) };
}

/** @param {Run} run @param {AlertEvent} alert */
function addAlert(run, alert) {
  if (!addNew(run.alerts, alert, MOST_ALERTS)) {
    return;
  }
  const key = JSON.stringify([alert.rule, alert.reference, alert.method]);
  if (alert.state === 'raised') {
    run.open.set(key, alert);
  } else {
    run.open.delete(key);
  }
}

/**
 * Puts an event first in a list that is newest first, unless it is there already.
 * @template {GuardEvent} T
 * @param {T[]} list
 * @param {T} event
 * @param {number} most
 */
function addNew(list, event, most) {
  const text = JSON.stringify(event);
  if (list.some((other) => other.step === event.step && JSON.stringify(other) === text)) {
    return false;
  }
  list.unshift(event);
  list.length = Math.min(list.length, most);
  return true;
}

/** Methods and references in the order in which the guard named them. @param {Run} run */
export function namesOf(run) {
  const references = new Set(run.hello?.references.map((reference) => reference.name));
  const methods = new Set(run.hello?.methods);
  for (const pair of run.tick?.pairs ?? []) {
    references.add(pair.reference);
    for (const score of pair.scores) {
      methods.add(score.method);
    }
  }
  return { references: [...references], methods: [...methods] };
}
