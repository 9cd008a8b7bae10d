import type { AlertEvent, Score, SteerEvent } from '../guard/events.js';
import { fadeFactor } from '../steering/fade.js';
import { bar, type Colour, cut, pad, paint, percent, plain, sparkline } from './text.js';
import { historyKey, type WatchState } from './watch-state.js';

export { EMPTY, reduce, type WatchState } from './watch-state.js';

export interface View {
  /** characters in a line */
  readonly columns: number;
  readonly color: boolean;
}

const NUMBERS = 13;
const SHORTEST_SPARK = 8;
const LONGEST_SPARK = 40;
const LONGEST_NAME = 28;

const LEVELS: Record<AlertEvent['level'], Colour> = { info: 'cyan', warning: 'yellow', error: 'red' };

/** The whole view as lines, none of them longer than `columns` characters. Pure. */
export function render(state: WatchState, view: View): string[] {
  if (state.run === null) {
    return [cut('connected; waiting for a run', view.columns)];
  }
  return [...heading(state, view), '', ...scores(state, view), '', ...events(state, view)];
}

function heading(state: WatchState, view: View): string[] {
  const { hello, tick, end, progress } = state;
  const stand = end === null ? 'live' : `ended: ${end.status}${end.reason ? `, ${plain(end.reason)}` : ''}`;
  const name = plain(state.run ?? '');
  const first = [`mergeguard  ${name}`, plain(hello?.backend ?? ''), `step ${state.step}`, stand];
  const lines = [paint(cut(first.filter(Boolean).join('  '), view.columns), 'bold', view.color)];
  if (progress !== null) {
    const fraction = progress.total > 0 ? progress.done / progress.total : 0;
    const loss = typeof progress.loss === 'number' ? `  loss ${progress.loss.toFixed(3)}` : '';
    const words = `${progress.done}/${progress.total} ${percent(fraction)}${loss}`;
    const width = Math.max(5, Math.min(30, view.columns - words.length - 30));
    lines.push(cut(`${plain(progress.phase)} ${bar(fraction, width)} ${words}`, view.columns));
  }
  if (tick !== null) {
    lines.push(cut(costs(state), view.columns));
  }
  if (state.others.size > 0) {
    const others = [...state.others].map(plain).join(', ');
    lines.push(cut(`also on this server: ${others} (add ?run=NAME to the address)`, view.columns));
  }
  return lines;
}

function costs({ tick }: WatchState): string {
  const probe = tick?.selfProbe;
  const kept = probe && probe.accuracy > 0 ? probe.scaledAccuracy / probe.accuracy : null;
  const where = probe ? ` at base + ${probe.scale} tau` : '';
  const overhead = tick?.cost.overhead ?? null;
  const dropped = tick?.dropped.ticks ? `  ticks dropped ${tick.dropped.ticks}` : '';
  return `self-probe ${percent(kept)}${where}  overhead ${percent(overhead)} of step time${dropped}`;
}

/** One block a method where lines are narrow; all methods side by side where they fit. */
function scores(state: WatchState, view: View): string[] {
  const pairs = state.tick?.pairs ?? [];
  if (pairs.length === 0) {
    return [cut('no tick yet', view.columns)];
  }
  const methods = [...new Set(pairs.flatMap((pair) => pair.scores.map((score) => score.method)))];
  const names = pairs.map((pair) => [...plain(pair.reference)].length);
  const nameWidth = Math.min(LONGEST_NAME, Math.max(9, ...names), Math.floor(view.columns / 3));
  const room = Math.floor((view.columns - nameWidth) / methods.length) - NUMBERS - 4;
  const besides = room >= SHORTEST_SPARK;
  const spark = Math.max(0, Math.min(LONGEST_SPARK, besides ? room : view.columns - nameWidth - NUMBERS - 4));
  const scale = scaleOf(state);
  const lines = [cut(`normalised accuracy after merging, ${legend(state, scale)}`, view.columns)];
  for (const group of besides ? [methods] : methods.map((method) => [method])) {
    const titles = group.map((method) => `  ${pad(plain(method), NUMBERS + 1 + spark)}`);
    lines.push(paint(cut(pad('', nameWidth) + titles.join(''), view.columns).trimEnd(), 'bold', view.color));
    for (const pair of pairs) {
      const cells = group.map((method) => {
        const score = pair.scores.find((each) => each.method === method);
        const values = state.history.get(historyKey(method, pair.reference)) ?? [];
        return `  ${pad(numbers(score), NUMBERS)} ${pad(sparkline(values, spark, scale), spark)}`;
      });
      lines.push(cut(pad(plain(pair.reference), nameWidth) + cells.join(''), view.columns).trimEnd());
    }
  }
  return [...lines, ...pool(state, view)];
}

/** Merged with every reference at once, where the fingerprint can say that. */
function pool(state: WatchState, view: View): string[] {
  const known = state.tick?.pool.filter(({ value }) => value !== null) ?? [];
  if (known.length === 0) {
    return [];
  }
  const scores = known.map((score) => {
    const half = score.low === null || score.high === null ? 0 : 50 * (score.high - score.low);
    return `${plain(score.method)} ${percent(score.value)} ±${half.toFixed(1)}`;
  });
  return [cut(`all ${known[0]?.references.length} at once: ${scores.join(', ')}`, view.columns)];
}

/** Value and half width in points; "!" marks a score outside the fingerprint's domain. */
function numbers(score: Score | undefined): string {
  if (score === undefined || score.value === null) {
    return '     –';
  }
  const value = (100 * score.value).toFixed(1).padStart(5);
  const half =
    score.low === null || score.high === null ? '' : ` ±${(50 * (score.high - score.low)).toFixed(1)}`;
  return `${value}${half}${score.inDomain ? '' : ' !'}`;
}

function legend(state: WatchState, [low, high]: readonly [number, number]): string {
  const all = state.tick?.pairs.flatMap((pair) => pair.scores) ?? [];
  const level = all[0] === undefined ? '' : `± half of the ${Math.round(100 * all[0].level)} % interval, `;
  const outside = all.some((score) => score.value !== null && !score.inDomain) ? '! outside domain, ' : '';
  return `in %, ${level}${outside}▁ ${Math.round(100 * low)} █ ${Math.round(100 * high)}`;
}

/** Of all sparklines alike, so that they can be compared: whole tens, at least two of them. */
function scaleOf(state: WatchState): [number, number] {
  const values = [...state.history.values()].flat().filter((value) => value !== null);
  if (values.length === 0) {
    return [0, 1];
  }
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  const high = Math.ceil(10 * most) / 10;
  return [Math.min(Math.floor(10 * least) / 10, high - 0.2), high];
}

function events(state: WatchState, view: View): string[] {
  const title = (text: string) => paint(cut(text, view.columns), 'bold', view.color);
  const lines = [title('alerts')];
  if (state.alerts.length === 0) {
    lines.push(cut('none so far', view.columns));
  }
  for (const alert of state.alerts) {
    const colour = alert.state === 'cleared' ? 'green' : LEVELS[alert.level];
    lines.push(paint(cut(alertLine(alert), view.columns), colour, view.color));
  }
  if (state.steer !== null) {
    lines.push(title('steering'), cut(steerLine(state.steer, state.step), view.columns));
  }
  return lines;
}

/** What an alert says, without the explanation. */
export function alertTitle(alert: AlertEvent): string {
  const word = alert.state === 'cleared' ? 'cleared' : alert.level;
  return `${word.padEnd(7)}  step ${alert.step}  ${plain(alert.title)}`;
}

/** One alert as one line of plain text. */
export function alertLine(alert: AlertEvent): string {
  return `${alertTitle(alert)}: ${plain(alert.text)}`;
}

/**
 * One steer event as one line of plain text.
 * @param step where the run is, for how far the terms have faded; without it that is left out
 */
export function steerLine(steer: SteerEvent, step: number | null = null): string {
  const terms = steer.terms.map(
    ({ term, strength }) => `${plain(term)} x ${Number(strength.toPrecision(3))}`,
  );
  const what = terms.length > 0 ? terms.join(', ') : 'no terms';
  const by = steer.source === undefined ? '' : ` (${steer.source})`;
  const from = steer.fromStep === undefined ? '' : ` from step ${steer.fromStep}`;
  const life = steer.lifetimeSteps === null ? '' : ` for ${steer.lifetimeSteps} steps`;
  const began = steer.fromStep ?? steer.step;
  const factor = step === null || terms.length === 0 ? 1 : fadeFactor(step - began, steer.lifetimeSteps);
  const faded = factor === 1 ? '' : factor === 0 ? ', ended' : `, faded to ${percent(factor)}`;
  return `steer    step ${steer.step}  ${what}${by}${from}${life}${faded}: ${plain(steer.reason)}`;
}
