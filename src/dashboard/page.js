import { createCharts } from './charts.js';
import { connect } from './connection.js';
import { byId, setText } from './dom.js';
import { createFeed, drawAlert, drawSteer } from './feed.js';
import { percent } from './format.js';
import { updateHeader } from './header.js';
import { apply, createState, namesOf } from './state.js';
import { createScores, poolLine, updateMetrics } from './tables.js';

/** The page: events come in, the state changes, and at most ten times a second what changed is drawn. */

const DRAW_EVERY_MS = 100;

const state = createState();
/** @type {import('./header.js').Link} */
const link = { open: false, everOpen: false, retryAt: 0, heard: '', unreadable: 0, why: '' };
const charts = createCharts(byId('charts'));
const scores = createScores(byId('scores'), byId('why'));
const alerts = createFeed(byId('alerts'), byId('alerts-note'), drawAlert);
const steers = createFeed(byId('steering'), byId('steering-note'), drawSteer);
let raw = false;
let waiting = false;

function draw() {
  const run = state.current === null ? undefined : state.runs.get(state.current);
  updateHeader(state, run, link);
  if (!run) {
    return;
  }
  const level = run.tick?.pairs[0]?.scores[0]?.level;
  const coverage = level === undefined ? '' : `, with the ${percent(level, 0)} interval`;
  const kind = raw ? 'normalised times the live model’s own accuracy' : 'relative to each model on its own';
  setText(byId('charts-note'), `${raw ? 'Raw' : 'Normalised'} accuracy: ${kind}${coverage}.`);
  setText(
    byId('scores-note'),
    run.tick ? `Step ${run.tick.step}${coverage}. Choose a score to see what it rests on.` : 'no tick yet',
  );
  setText(
    byId('metrics-note'),
    run.tick
      ? `Step ${run.tick.step}. A dash carries the reason as its tooltip; (−20) marks what was measured 20 steps ago.`
      : 'no tick yet',
  );
  charts.update({ ...namesOf(run), points: run.points, raw });
  scores.update(run, raw);
  setText(byId('pool'), poolLine(run));
  updateMetrics(byId('metrics'), run);
  const open = run.open.size === 1 ? '1 open' : `${run.open.size} open`;
  alerts.update(run.alerts, run.alerts.length > 0 ? `${open}; newest first` : 'none so far');
  steers.update(run.steers, run.steers.length > 0 ? 'newest first' : 'none so far');
}

function changed() {
  if (waiting) {
    return;
  }
  waiting = true;
  // a frame never comes while the page is hidden, so nothing is drawn that nobody sees
  setTimeout(
    () =>
      requestAnimationFrame(() => {
        waiting = false;
        draw();
      }),
    DRAW_EVERY_MS,
  );
}

byId('scale').addEventListener('change', (event) => {
  raw = /** @type {HTMLInputElement} */ (event.target).value === 'raw';
  changed();
});
byId('runs').addEventListener('change', (event) => {
  state.current = /** @type {HTMLSelectElement} */ (event.target).value;
  changed();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  charts.clear();
  changed();
});
// the countdown to the next try
setInterval(() => !link.open && changed(), 1000);

connect(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/stream`, {
  onOpen() {
    link.open = true;
    link.everOpen = true;
    changed();
  },
  onLost(waitMs) {
    link.open = false;
    link.everOpen = true;
    link.retryAt = Date.now() + waitMs;
    changed();
  },
  onEvent(event) {
    apply(state, event);
    link.heard = event.time;
    changed();
  },
  onUnreadable(why) {
    link.unreadable += 1;
    link.why = why;
    changed();
  },
});
