import { byId, make, setText } from './dom.js';
import { clock, count, percent } from './format.js';

/** @import { Run, State } from './state.js' */
/**
 * @typedef {{ open: boolean, everOpen: boolean, retryAt: number, heard: string, unreadable: number, why: string }} Link
 */

/** The guard's protocol that this page was written for. */
const PROTOCOL = 4;

/** @param {Run | undefined} run @param {Link} link */
export function stateOf(run, link) {
  if (run?.end) {
    return 'ended';
  }
  if (!link.open) {
    return link.everOpen ? 'disconnected' : 'connecting';
  }
  return run ? 'live' : 'waiting for a run';
}

/** @param {State} state @param {Run | undefined} run @param {Link} link */
export function updateHeader(state, run, link) {
  const word = stateOf(run, link);
  const chip = byId('state');
  setText(chip, word);
  chip.className = `chip state-${word.split(' ')[0]}`;
  setText(byId('detail'), detail(run, link));
  setText(byId('run-name'), run?.run ?? '');
  document.title = run ? `${run.run} · ${word} · mergeguard` : 'mergeguard';
  updateProgress(run);
  updateFacts(run);
  updateNotices(run, link);
  updateRuns(state);
}

/** @param {Run | undefined} run @param {Link} link */
function detail(run, link) {
  const parts = [];
  if (run?.end) {
    parts.push(run.end.status + (run.end.reason ? `: ${run.end.reason}` : ''));
  }
  if (link.open && link.heard) {
    parts.push(`last event ${clock(link.heard)}`);
  }
  if (!link.open && link.everOpen) {
    const seconds = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
    parts.push(`no connection, next try in ${seconds} s`);
  }
  return parts.join(' · ');
}

/** @param {Run | undefined} run */
function updateProgress(run) {
  const progress = run?.progress;
  const bar = /** @type {HTMLProgressElement} */ (byId('progress'));
  const fraction = progress && progress.total > 0 ? progress.done / progress.total : 0;
  bar.value = run?.end?.status === 'done' ? 1 : fraction;
  setText(byId('phase'), progress?.phase ?? '–');
  const parts = progress ? [`${progress.done} of ${progress.total}`] : [];
  if (progress?.loss !== undefined && progress.loss !== null) {
    parts.push(`loss ${progress.loss.toFixed(3)}`);
  }
  if (progress?.accuracy !== undefined && progress.accuracy !== null) {
    parts.push(`accuracy ${percent(progress.accuracy)}`);
  }
  setText(byId('progress-text'), parts.join(' · '));
}

/** @param {Run | undefined} run */
function updateFacts(run) {
  const { hello, tick } = run ?? {};
  const probe = tick?.selfProbe;
  const ratio = probe && probe.accuracy > 0 ? probe.scaledAccuracy / probe.accuracy : null;
  const coverage = hello?.coverage;
  const cost = tick?.cost;
  /** @type {[string, string, string][]} name, value, small print */
  const facts = [
    ['step', run ? String(run.step) : '–', cost?.every ? `a tick every ${cost.every} steps` : ''],
    ['backend', hello?.backend ?? '–', hello?.backendDescription ?? ''],
    [
      'self-probe',
      percent(ratio),
      probe
        ? `accuracy kept at base + ${probe.scale} tau, step ${probe.step}, ${probe.samples} samples`
        : 'none yet',
    ],
    [
      'guard overhead',
      percent(cost?.overhead),
      cost?.stepMs ? `of a step of ${cost.stepMs.toFixed(1)} ms` : 'of step time',
    ],
    ['fingerprint', hello ? (hello.fingerprint ?? 'none') : '–', ''],
    [
      'covered',
      percent(coverage?.parameters),
      coverage ? `of the parameters, ${coverage.matched} of ${coverage.total} tensors` : '',
    ],
  ];
  const list = byId('facts');
  if (list.childElementCount !== facts.length) {
    list.replaceChildren(
      ...facts.map(([name]) =>
        make('div', {}, make('dt', {}, name), make('dd'), make('dd', { class: 'note' })),
      ),
    );
  }
  for (const [index, [, value, small]] of facts.entries()) {
    const [, main, note] = list.children[index]?.children ?? [];
    if (main && note) {
      setText(main, value);
      setText(note, small);
    }
  }
}

/** What was lost or is limited, said once and plainly. @param {Run | undefined} run @param {Link} link */
function updateNotices(run, link) {
  const notices = [];
  const dropped = run?.tick?.dropped;
  if (run?.hello && run.hello.protocol !== PROTOCOL) {
    notices.push(`the guard speaks protocol ${run.hello.protocol}, this page ${PROTOCOL}: reload the page`);
  }
  if (dropped?.ticks) {
    notices.push(`${count(dropped.ticks, 'tick')} replaced because the guard was busy`);
  }
  if (dropped?.nonFinite) {
    notices.push(`${count(dropped.nonFinite, 'step')} not folded: gradients with NaN or Inf`);
  }
  if (dropped?.perturbed) {
    notices.push(`${count(dropped.perturbed, 'step')} not folded: a term had moved the weights`);
  }
  for (const { name, limits } of run?.hello?.references ?? []) {
    notices.push(...limits.map((limit) => `reference ${name}: ${limit}`));
  }
  notices.push(...(run?.hello?.fingerprintLimits ?? []));
  if (run?.hello && run.hello.fingerprint === null) {
    notices.push('no fingerprint: metrics are shown, accuracy is not predicted');
  }
  if (link.unreadable > 0) {
    notices.push(`${count(link.unreadable, 'message')} could not be read, the last: ${link.why}`);
  }
  const list = byId('notices');
  list.hidden = notices.length === 0;
  if (list.dataset.key !== JSON.stringify(notices)) {
    list.dataset.key = JSON.stringify(notices);
    list.replaceChildren(...notices.map((text) => make('li', {}, text)));
  }
}

/** The choice appears only when the server has more than one run. @param {State} state */
function updateRuns(state) {
  const select = /** @type {HTMLSelectElement} */ (byId('runs'));
  const names = [...state.runs.keys()];
  byId('run-choice').hidden = names.length < 2;
  byId('run-name').hidden = names.length > 1;
  if (select.dataset.key !== JSON.stringify(names)) {
    select.dataset.key = JSON.stringify(names);
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }
  select.value = state.current ?? '';
}
