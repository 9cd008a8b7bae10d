import { make, setText } from './dom.js';
import { clock, short } from './format.js';

/** @import { AlertEvent, SteerEvent } from '../guard/events.js' */

/**
 * A list of events, newest first, that only ever adds what is new: a live region then reads each one once.
 * @template {AlertEvent | SteerEvent} T
 * @param {HTMLElement} list
 * @param {HTMLElement} note
 * @param {(event: T) => HTMLElement} draw
 */
export function createFeed(list, note, draw) {
  /** @type {T[]} */
  let drawn = [];
  /** @param {T[]} events newest first @param {string} summary */
  const update = (events, summary) => {
    setText(note, summary);
    const known = new Set(drawn);
    const kept = drawn.length > 0 && events.includes(/** @type {T} */ (drawn[0]));
    if (!kept) {
      list.replaceChildren();
      known.clear();
    }
    const added = events.filter((event) => !known.has(event));
    for (const event of added.reverse()) {
      list.prepend(draw(event));
    }
    while (list.childElementCount > events.length) {
      list.lastElementChild?.remove();
    }
    drawn = [...events];
  };
  return { update };
}

const SIGNS = { info: 'ℹ info', warning: '⚠ warning', error: '✖ error' };

/** @param {AlertEvent} alert */
export function drawAlert(alert) {
  const cleared = alert.state === 'cleared';
  const sign = cleared ? '✓ cleared' : (SIGNS[alert.level] ?? alert.level);
  const chip = make('span', { class: `chip level-${cleared ? 'cleared' : alert.level}` }, sign);
  const about = [alert.method, alert.reference].filter(Boolean).join(' with ');
  const evidence = Object.entries(alert.evidence).map(([name, value]) => `${name} ${short(value)}`);
  const item = make(
    'li',
    {},
    make('p', {}, chip, ' ', make('strong', {}, alert.title)),
    make('p', {}, alert.text),
  );
  const small = [`step ${alert.step}`, clock(alert.time), `rule ${alert.rule}`, about, ...evidence].filter(
    Boolean,
  );
  item.append(make('p', { class: 'note' }, small.join(' · ')));
  return item;
}

/** @param {SteerEvent} steer */
export function drawSteer(steer) {
  const terms = steer.terms.map((term) => {
    const parameters = Object.entries(term.parameters).map(
      ([name, value]) => `${name} ${JSON.stringify(value)}`,
    );
    return `${term.term} × ${short(term.strength)}${parameters.length > 0 ? ` (${parameters.join(', ')})` : ''}`;
  });
  const title = terms.length > 0 ? terms.join('; ') : 'no terms';
  const { lifetimeSteps, fromStep = steer.step } = steer;
  const lifetime =
    lifetimeSteps === null
      ? 'until the next'
      : `for ${lifetimeSteps} steps, fading from step ${fromStep + Math.ceil((2 * lifetimeSteps) / 3)}`;
  const begins = fromStep === steer.step ? '' : `from step ${fromStep}`;
  const by = steer.source ? `by ${steer.source}` : '';
  const small = [`step ${steer.step}`, clock(steer.time), by, begins, lifetime].filter(Boolean).join(' · ');
  return make(
    'li',
    {},
    make('p', {}, make('strong', {}, title)),
    make('p', {}, steer.reason),
    make('p', { class: 'note' }, small),
  );
}
