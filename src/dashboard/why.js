import { breakable, make } from './dom.js';
import { interval, percent, short, signed } from './format.js';
import { shownOf } from './state.js';

/** @import { ProbedTask, ProbeEvent, Score } from '../guard/events.js' */

/** Why a score has no number to show. @param {Score | undefined} score @param {boolean} raw */
export function whyNot(score, raw) {
  if (!score) {
    return 'the last tick has no score for this pair';
  }
  const noBatch = raw && score.value !== null;
  const fallback = score.reason ?? 'no reason was given';
  return noBatch ? 'raw accuracy needs a calibration batch of the live task' : fallback;
}

/**
 * What a score rests on: basis, the last merge probe, domain violations, contributions.
 * @param {string} reference
 * @param {Score} score
 * @param {ProbeEvent | undefined} probe
 * @returns {HTMLElement[]}
 */
export function explain(reference, score, probe) {
  /** @type {HTMLElement[]} */
  const parts = [make('h3', {}, `Why: ${score.method} with ${reference}`)];
  if (score.value === null) {
    parts.push(make('p', {}, `No prediction: ${whyNot(score, false)}.`));
  } else {
    const basis = score.basis.length > 0 ? score.basis.join(', ') : 'nothing stated';
    const value = `${percent(score.value)} ${interval(shownOf(score, false))} normalised`;
    parts.push(make('p', {}, `${value}, ${percent(score.raw)} raw. Rests on: ${basis}.`));
  }
  if (probe) {
    parts.push(...explainProbe(probe));
  }
  if (score.outside.length > 0) {
    const items = score.outside.map(({ metric, value, low, high }) =>
      make('li', {}, `${metric} is ${short(value)}, fitted on ${short(low)} to ${short(high)}`),
    );
    parts.push(make('p', { class: 'outside' }, '⚠ Outside the domain of the fingerprint:'));
    parts.push(make('ul', {}, ...items));
  }
  if (score.contributions.length > 0) {
    parts.push(make('p', {}, 'Contributions, in points of normalised accuracy:'), contributions(score));
  }
  return parts;
}

/** What a real merge gave. @param {ProbeEvent} probe @returns {HTMLElement[]} */
function explainProbe(probe) {
  const truth = `${percent(probe.accuracy)} ${within(probe.standardError)} (standard error)`;
  const error = probe.normalisedStandardError;
  const paired = error === undefined || error === null ? '' : ` ${within(error)}`;
  const normalised = probe.normalised === null ? '' : `${percent(probe.normalised)}${paired} normalised, `;
  const rest = `${normalised}${probe.samples} samples, loss ${short(probe.loss)}`;
  const parts = [make('p', {}, `Merge probe at step ${probe.step}: ${truth}, ${rest}.`)];
  if (probe.best && probe.best.coefficient !== 1) {
    const { coefficient, accuracy, standardError, loss } = probe.best;
    const found = `${percent(accuracy)} ${within(standardError)}, loss ${short(loss)}`;
    parts.push(make('p', {}, `Best with its task vector times ${coefficient}: ${found}.`));
  }
  if (probe.tasks) {
    const { live, reference } = probe.tasks;
    const items = [
      make('li', {}, `live task: ${kept(live)}`),
      make('li', {}, `${probe.reference}: ${kept(reference)}`),
    ];
    parts.push(make('ul', {}, ...items));
  }
  return parts;
}

/** One task's accuracy after merging beside its own model's. @param {ProbedTask} task */
function kept({ accuracy, ownAccuracy, loss, ownLoss, samples }) {
  const own = ownAccuracy === null ? '' : `, its own model ${percent(ownAccuracy)}`;
  const ownCost = ownLoss === null ? '' : ` against ${short(ownLoss)}`;
  return `${percent(accuracy)} of ${samples} samples${own}; loss ${short(loss)}${ownCost}`;
}

/** In points. @param {number} error */
function within(error) {
  return `± ${(100 * error).toFixed(1)}`;
}

/** @param {Score} score */
function contributions(score) {
  const most = Math.max(...score.contributions.map((one) => Math.abs(one.points)), 1e-9);
  const items = score.contributions.map(({ feature, points }) => {
    const bar = make('span', { class: points < 0 ? 'bar-minus' : 'bar-plus' });
    bar.style.width = `${(50 * Math.abs(points)) / most}%`;
    const name = make('span', { class: 'name' }, ...breakable(feature));
    const number = make('span', { class: 'number' }, signed(points));
    return make('li', {}, name, make('span', { class: 'track' }, bar), number);
  });
  return make('ul', { class: 'contributions' }, ...items);
}
