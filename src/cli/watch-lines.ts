import type { GuardEvent, ProbeEvent, TickEvent } from '../guard/events.js';
import { RENEWAL } from '../guard/types.js';
import { percent, plain } from './text.js';
import { alertLine, steerLine } from './watch-view.js';

/** An event as one plain line for a log, or null for progress, of which there would be too much. */
export function eventLine(event: GuardEvent): string | null {
  switch (event.event) {
    case 'hello': {
      const names = event.references.map((reference) => plain(reference.name)).join(', ');
      const what = event.backendDescription ? ` (${plain(event.backendDescription)})` : '';
      return `run      ${plain(event.run)} on ${plain(event.backend)}${what}, references ${names || 'none'}`;
    }
    case 'tick':
      return tickLine(event);
    case 'alert':
      return alertLine(event);
    case 'steer':
      return steerLine(event);
    case 'probe':
      return probeLine(event);
    case 'end':
      return `end      step ${event.step}  ${event.status}${event.reason ? `: ${plain(event.reason)}` : ''}`;
    case 'progress':
      return null;
  }
}

/**
 * An event as a line in a log of several runs: a run's start, its alerts, its steering and its end, with its name. null for all else,
 * and for orders that only renew the one before.
 */
export function logLine(event: GuardEvent): string | null {
  if (event.event === 'tick' || event.event === 'probe') {
    return null;
  }
  if (event.event === 'steer' && event.reason === RENEWAL) {
    return null;
  }
  const line = eventLine(event);
  return line === null ? null : `${plain(event.run)}: ${line}`;
}

export function probeLine(probe: ProbeEvent): string {
  const within = (error: number) => `± ${(100 * error).toFixed(1)}`;
  const { normalised, normalisedStandardError: error, best } = probe;
  const kept =
    normalised === null
      ? ''
      : `, ${percent(normalised)}${typeof error === 'number' ? ` ${within(error)}` : ''} normalised`;
  const truth = `accuracy ${percent(probe.accuracy)} ${within(probe.standardError)}${kept}`;
  const what = `${plain(probe.method)} with ${plain(probe.reference)}`;
  const scaled =
    best === undefined || best.coefficient === 1
      ? ''
      : `; best with its task vector times ${best.coefficient}: ${percent(best.accuracy)}`;
  return `probe    step ${probe.step}  ${what}: ${truth} on ${probe.samples} samples${scaled}`;
}

function tickLine(tick: TickEvent): string {
  const pairs = tick.pairs.map((pair) => {
    const scores = pair.scores.map((score) => `${plain(score.method)} ${percent(score.value)}`);
    const { measuredAt: at } = pair;
    const older = at === undefined ? '' : at === null ? ' (not compared yet)' : ` (of step ${at})`;
    return `${plain(pair.reference)}${older}: ${scores.join(', ')}`;
  });
  const overhead = `overhead ${percent(tick.cost.overhead)}`;
  return `tick     step ${tick.step}  ${[...pairs, overhead].join(' | ')}`;
}

/** An event or another object as one line of JSON, with what JSON leaves alone but terminals obey escaped as well. */
export function jsonLine(value: object): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
}
