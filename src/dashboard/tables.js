import { grid, make, setText } from './dom.js';
import { DASH, interval, percent, short } from './format.js';
import { keyOf, namesOf, shownOf } from './state.js';
import { explain, whyNot } from './why.js';

/** @import { Score } from '../guard/events.js' */
/** @import { Run } from './state.js' */

/**
 * Reference x method; each cell is a button that shows below the table what the score rests on.
 * @param {HTMLElement} table
 * @param {HTMLElement} why
 */
export function createScores(table, why) {
  /** @type {{ reference: string, method: string } | null} */
  let chosen = null;

  /** @param {Run} run @param {boolean} raw */
  const update = (run, raw) => {
    const { references, methods } = namesOf(run);
    const { cells, fresh } = grid(table, 'reference', references, methods);
    if (!chosen || !findScore(run, chosen.reference, chosen.method)) {
      chosen = lowest(run);
    }
    for (const [r, reference] of references.entries()) {
      for (const [m, method] of methods.entries()) {
        const cell = /** @type {HTMLTableCellElement} */ (cells[r]?.[m]);
        if (fresh) {
          cell.replaceChildren(scoreButton(why.id));
        }
        const button = /** @type {HTMLButtonElement} */ (cell.firstElementChild);
        button.onclick = () => {
          chosen = { reference, method };
          update(run, raw);
        };
        const pressed = chosen?.reference === reference && chosen.method === method;
        button.setAttribute('aria-pressed', String(pressed));
        fillScore(button, findScore(run, reference, method), raw);
      }
    }
    const score = chosen && findScore(run, chosen.reference, chosen.method);
    const probe = chosen ? run.probes.get(keyOf(chosen.method, chosen.reference)) : undefined;
    why.replaceChildren(...(chosen && score ? explain(chosen.reference, score, probe) : []));
  };

  return { update };
}

/** @param {Run} run @param {string} reference @param {string} method */
function findScore(run, reference, method) {
  const pair = run.tick?.pairs.find((one) => one.reference === reference);
  return pair?.scores.find((one) => one.method === method);
}

/** The score that a researcher will ask about first. @param {Run} run */
function lowest(run) {
  let found = null;
  let least = Number.POSITIVE_INFINITY;
  for (const pair of run.tick?.pairs ?? []) {
    for (const score of pair.scores) {
      if (score.value !== null && score.value < least) {
        least = score.value;
        found = { reference: pair.reference, method: score.method };
      }
    }
  }
  return found;
}

/** @param {string} controls id of the element that the button fills */
function scoreButton(controls) {
  const line = make('span', {}, make('span', { class: 'value' }), ' ', make('small', { class: 'interval' }));
  const button = make('button', { class: 'score' }, line, make('small', { class: 'mark' }));
  button.type = 'button';
  button.setAttribute('aria-controls', controls);
  return button;
}

/** @param {HTMLButtonElement} button @param {Score | undefined} score @param {boolean} raw */
function fillScore(button, score, raw) {
  const part = (/** @type {string} */ name) => /** @type {Element} */ (button.querySelector(`.${name}`));
  const shown = score ? shownOf(score, raw) : { value: null, low: null, high: null };
  setText(part('value'), percent(shown.value));
  setText(part('interval'), interval(shown));
  const scored = score !== undefined && score.value !== null;
  const outside = scored && !score.inDomain;
  const domain = outside ? '⚠ outside domain' : '✓ in domain';
  setText(part('mark'), scored ? domain : '');
  part('mark').classList.toggle('outside', outside);
  button.title = shown.value === null ? whyNot(score, raw) : '';
}

/**
 * What merging with every reference at once is predicted to give, or why it is not.
 * @param {Run} run
 */
export function poolLine(run) {
  const pool = run.tick?.pool ?? [];
  const known = pool.filter(({ value }) => value !== null);
  if (pool.length === 0) {
    return '';
  }
  const what = `Merged with all ${pool[0]?.references.length} references at once (normalised)`;
  if (known.length === 0) {
    return `${what}: ${pool[0]?.reason ?? 'no reason was given'}.`;
  }
  const scores = known.map((score) => `${score.method} ${percent(score.value)} ${interval(score)}`);
  return `${what}: ${scores.join(', ')}.`;
}

/** Row of the metrics where references take turns: the step that their task vectors and gradients were last compared at. */
const COMPARED = 'last compared at step';

/**
 * Metric x reference; what could not be computed is a dash that carries the reason, what is of an earlier step says so.
 * @param {HTMLElement} table
 * @param {Run} run
 */
export function updateMetrics(table, run) {
  const pairs = run.tick?.pairs ?? [];
  const metrics = [...new Set(pairs.flatMap((pair) => Object.keys(pair.metrics)))];
  const columns = pairs.map((pair) => pair.reference);
  const turns = pairs.some((pair) => pair.measuredAt !== undefined) ? [COMPARED] : [];
  const { cells } = grid(table, 'metric', [...turns, ...metrics], columns);
  for (const [p, pair] of turns.length > 0 ? pairs.entries() : []) {
    const cell = /** @type {HTMLTableCellElement} */ (cells[0]?.[p]);
    const at = pair.measuredAt === undefined ? run.tick?.step : pair.measuredAt;
    cell.classList.toggle('old', pair.measuredAt !== undefined);
    setText(cell, at === null ? DASH : `${at}`);
  }
  for (const [m, metric] of metrics.entries()) {
    for (const [p, pair] of pairs.entries()) {
      const cell = /** @type {HTMLTableCellElement} */ (cells[turns.length + m]?.[p]);
      const value = pair.metrics[metric] ?? null;
      const age = value === null ? undefined : run.tick?.ages[metric];
      cell.classList.toggle('old', age !== undefined);
      if (value !== null) {
        cell.title = age === undefined ? '' : `measured ${age} steps ago`;
        setText(cell, age === undefined ? short(value) : `${short(value)} (−${age})`);
        continue;
      }
      const reason = pair.reasons[metric] ?? 'no reason was given';
      if (cell.title !== reason) {
        cell.title = reason;
        cell.replaceChildren(DASH, make('span', { class: 'hidden' }, ` ${reason}`));
      }
    }
  }
}
