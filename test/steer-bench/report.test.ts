import { describe, expect, it } from 'vitest';
import { analyseLive } from '../bench/steer/analyse-live.js';
import { analysePools } from '../bench/steer/analyse-pools.js';
import { liveAims, liveLines } from '../bench/steer/live-lines.js';
import { furtherJson, reportJson } from '../bench/steer/report-json.js';
import { poolAims, poolLines } from '../bench/steer/report-lines.js';
import { livesOf, liveTableOf, poolOf, poolTableOf, TASKS } from './synthetic.js';

const flat = (title: string, single: number, merged: number, more = {}) =>
  poolOf({ title, single: () => single, merged: () => merged, ...more });

function pools(shift: number) {
  return poolTableOf(
    flat('plain', 0.9, 0.7 + shift),
    flat('plain, 800 steps', 0.91, 0.71 + shift, { steps: 800 }),
    flat('the default', 0.908, 0.76 + shift, { gradientEvaluations: 4 / 3, warnings: ['it said so'] }),
    flat('plain, 600 steps at 0.001', 0.9, 0.74 + shift, { learningRate: 1e-3 }),
  );
}

const reportOf = (tables: ReturnType<typeof pools>[]) =>
  analysePools(
    tables.map((table, seed) => ({ seed, tasks: TASKS, pools: table })),
    100,
  );
const report = reportOf([0, 0.02].map(pools));

describe('whole pools', () => {
  it('are reported with raw accuracies, shares, costs and what the hook said', () => {
    const lines = poolLines(report);
    const text = lines.join('\n');
    const row = lines.find((line) => line.startsWith('plain, 800 steps'))!;
    expect(row).toContain('91.0 ± 0.0');
    expect(row).toContain('72.0 ± 1.4');
    expect(text).toMatch(/the default +26 ± 2 +26 to 26 +\+5\.00 ± 0\.00.* -0\.20 ± 0\.00.* 1\.30 x/);
    expect(text).toContain('  the default: it said so');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(150);
    expect(poolAims(report, 'default')).toEqual([
      'gap closed 26 ± 2 %, aim at least 15: reached; interval above zero: reached.',
      'single models -0.20 ± 0.00 points, aim at least -0.3: reached.',
      'step cost 1.30 x, aim at most 1.35: reached.',
    ]);
  });

  it('are held against plain training by their own step size too', () => {
    const [steered] = report.variants;
    expect(steered!.againstOwnPlain.gapClosed!.value).toBeCloseTo(0.02 / 0.15, 10);
    expect(steered!.againstPlain.gapClosed!.value).toBeCloseTo(0.06 / 0.19, 10);
    const lines = poolLines(report);
    expect(lines.filter((line) => /^plain, 600 steps at 0.001 .* 600 +0.001/.test(line)).length).toBe(2);
    expect(lines).toContain('  the default: plain, 600 steps at 0.001');
    const own = lines.slice(lines.findIndex((line) => line.startsWith('gain on its own plain')));
    expect(own[1]).toMatch(/^the default +13 ± 1 +13 to 13 +\+2\.00 ± 0\.00 +\+0\.80 ± 0\.00/);
    const json = furtherJson(report, null) as { variants: { ownPlain: unknown }[] };
    expect(json.variants[0]!.ownPlain).toMatchObject({ title: 'plain, 600 steps at 0.001' });
  });

  it('say which control each seed has where they differ, and mix it with no other', () => {
    const other = pools(0);
    const results = { ...other.results, 'plain-800': other.results.plain! };
    const mixed = reportOf([pools(0), { ...other, results }]);
    const lines = poolLines(mixed);
    expect(lines).toContain('  the default: seed 0 plain, 800 steps; seed 1 plain');
    expect(lines.find((line) => line.startsWith('plain, 800 steps; plain'))).toContain('800/600');
    expect(lines.some((line) => /^plain +90\.0 ± 0\.0 +70\.0 ± 0\.0/.test(line))).toBe(true);
  });

  it('are JSON in shares, per cent and points', () => {
    const json = reportJson(report, 'default');
    expect(json.gapClosed).toBeCloseTo(0.05 / 0.19, 10);
    expect(json.singleDelta).toBeCloseTo(-0.2, 10);
    expect(json.stepCost).toBe(1.3);
    expect(Object.keys(json.methods)).toEqual(['weight_avg', 'ties']);
    const { plain, matched, steered, single, singleSteered, gapClosed } = json.methods.ties!;
    expect([plain, matched, steered, single, singleSteered].map((value) => value!.toFixed(6))).toEqual(
      [71, 72, 77, 91, 90.8].map((value) => value.toFixed(6)),
    );
    expect(gapClosed).toBeCloseTo(0.05 / 0.19, 10);
  });

  it('say nothing of a default that was not run', () => {
    expect(reportJson(report, 'other')).toEqual({
      gapClosed: null,
      singleDelta: null,
      stepCost: null,
      methods: {},
    });
    expect(poolAims(report, 'other')).toEqual([]);
  });
});

describe('live models', () => {
  const lives = (tasks?: string[]) =>
    [0, 1].map((seed) => ({
      seed,
      live: liveTableOf(
        livesOf(0.9, 0.7, 0.8, tasks),
        livesOf(0.89, 0.72, 0.81, tasks),
        livesOf(0.89, 0.76, 0.78, tasks),
      ),
    }));
  const live = analyseLive(lives(), 100);

  it('close a share of what plain training loses, and what the references lose is told', () => {
    const [plain, , jitter] = live.variants;
    expect(plain!.loss.mean).toBeCloseTo(0.2, 10);
    expect(plain!.againstPlain.lossClosed!.value).toBeCloseTo(0, 10);
    const { lossClosed, single, references, raw } = jitter!.againstPlain;
    expect(lossClosed!.value).toBeCloseTo(0.06 / 0.2, 10);
    expect(lossClosed!.spread).toBeCloseTo(0, 10);
    expect(single.mean).toBeCloseTo(-0.01, 10);
    expect(references.mean).toBeCloseTo(-0.02, 10);
    expect(raw.ties!.mean).toBeCloseTo(0.02, 10);
  });

  it('are held against plain training by their own step size first', () => {
    const { control, lossClosed, single, references } = live.variants[2]!.againstOwnPlain;
    expect(control).toBe('plain, 600 steps at 0.001');
    expect(lossClosed!.value).toBeCloseTo(0.04 / 0.17, 10);
    expect(single.mean).toBeCloseTo(0, 10);
    expect(references.mean).toBeCloseTo(-0.03, 10);
  });

  it('close nothing by being worse alone', () => {
    const plain = livesOf(0.9, 0.7, 0.8);
    const worse = livesOf(0.75, 0.7, 0.8);
    const { variants } = analyseLive([{ seed: 0, live: liveTableOf(plain, plain, worse) }], 20);
    expect(variants[2]!.againstPlain.lossClosed!.value).toBeCloseTo(0, 10);
    expect(variants[2]!.againstOwnPlain.lossClosed!.value).toBeCloseTo(0, 10);
    const fitter = livesOf(0.95, 0.7, 0.8);
    const better = analyseLive([{ seed: 0, live: liveTableOf(plain, plain, fitter) }], 20);
    expect(better.variants[2]!.againstPlain.lossClosed!.value).toBeCloseTo(0, 10);
  });

  it('have no interval of fewer than five tasks', () => {
    const { variants } = live;
    expect(variants.map(({ againstPlain }) => againstPlain.lossClosed!.interval)).toEqual([null, null, null]);
    const text = liveLines(live).join('\n');
    expect(text).toContain('There are no intervals: of 4 tasks, fewer than 5, resamples say nothing.');
    expect(text).not.toMatch(/\d to \d/);
    const five = analyseLive(lives([...TASKS.slice(0, 4), 'gnu']), 100);
    const { value, interval } = five.variants[2]!.againstPlain.lossClosed!;
    expect(interval![0]).toBeCloseTo(value, 10);
    expect(interval![1]).toBeCloseTo(value, 10);
    expect(liveLines(five).join('\n')).toMatch(/jitter .* 30 ± 0 +30 to 30/);
  });

  it('are a table of all terms, which says what each is held against', () => {
    const lines = liveLines(live);
    const rows = lines.filter((line) => line.startsWith('jitter'));
    expect(rows[0]).toMatch(
      /0\.00 ± 0\.00 +\+0\.50 ± 0\.00 +\+0\.50 ± 0\.00 +24 ± 0 +-3\.00 ± 0\.00 +0\.001 +1\.00 +2\.00 x/,
    );
    expect(rows[1]).toMatch(/-1\.00 ± 0\.00 +\+2\.00 ± 0\.00 +\+2\.00 ± 0\.00 +30 ± 0 +-2\.00 ± 0\.00/);
    // Plain training by the larger step is a row beside the others.
    expect(lines.find((line) => line.startsWith('plain, 600 steps at 0.001'))).toMatch(/-1\.00 ± 0\.00/);
    expect(lines).toContain('Those of other step sizes against plain training at 0.0007:');
    expect(lines.join('\n')).toContain('the live task loses 20.0 ± 0.0 points');
    expect(lines.join('\n')).toContain('the live task loses 17.0 ± 0.0 points');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(200);
    const json = furtherJson(null, live) as { live: unknown[] };
    expect(json.live[2]).toMatchObject({ id: 'jitter', stepCost: 2, againstPlain: { control: 'plain' } });
  });

  it('are told against their aims, beside each plain training', () => {
    expect(liveAims(live, 'jitter')).toEqual([
      'jitter, against "plain, 600 steps at 0.001": live loss closed 24 %, aim at least 25: MISSED;',
      'its single model 0.00 ± 0.00 points, aim at least -0.5: reached; the references -3.00 ± 0.00 points.',
      'jitter, against "plain": live loss closed 30 %, aim at least 25: reached;',
      'its single model -1.00 ± 0.00 points, aim at least -0.5: MISSED; the references -2.00 ± 0.00 points.',
    ]);
    expect(liveAims(live, 'other')).toEqual([]);
  });

  it('have no share where plain training loses nothing', () => {
    const plain = livesOf(0.9, 0.9, 0.8);
    const table = liveTableOf(plain, plain, livesOf(0.9, 0.91, 0.8));
    const { variants } = analyseLive([{ seed: 0, live: table }], 20);
    expect(variants[2]!.againstPlain.lossClosed).toBeNull();
  });
});
