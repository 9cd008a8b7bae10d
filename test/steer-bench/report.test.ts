import { describe, expect, it } from 'vitest';
import { analyseLive } from '../bench/steer/analyse-live.js';
import { analysePools } from '../bench/steer/analyse-pools.js';
import { furtherJson, reportJson } from '../bench/steer/report-json.js';
import { liveAims, liveLines, poolAims, poolLines } from '../bench/steer/report-lines.js';
import { livesOf, liveTableOf, poolOf, poolTableOf, TASKS } from './synthetic.js';

const flat = (title: string, single: number, merged: number, more = {}) =>
  poolOf({ title, single: () => single, merged: () => merged, ...more });

function pools(shift: number) {
  return poolTableOf(
    flat('plain', 0.9, 0.7 + shift),
    flat('plain, 800 steps', 0.91, 0.71 + shift, { steps: 800 }),
    flat('the default', 0.908, 0.76 + shift, { gradientEvaluations: 4 / 3, warnings: ['it said so'] }),
  );
}

const report = analysePools(
  [0, 0.02].map((shift, seed) => ({ seed, tasks: TASKS, pools: pools(shift) })),
  100,
);

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
  const live = analyseLive(
    [0, 1].map((seed) => ({
      seed,
      live: liveTableOf(livesOf(0.9, 0.7, 0.8), livesOf(0.89, 0.75, 0.78)),
    })),
    100,
  );

  it('close a share of their own loss, and what the references lose is told', () => {
    const [plain, jitter] = live.variants;
    expect(plain!.loss.mean).toBeCloseTo(0.2, 10);
    expect(plain!.lossClosed!.value).toBeCloseTo(0, 10);
    expect(jitter!.lossClosed!.value).toBeCloseTo(1 - 0.14 / 0.2, 10);
    expect(jitter!.lossClosedSeeds.spread).toBeCloseTo(0, 10);
    expect(jitter!.singleDelta.mean).toBeCloseTo(-0.01, 10);
    expect(jitter!.referencesDelta.mean).toBeCloseTo(-0.02, 10);
    expect(jitter!.rawDelta.ties!.mean).toBeCloseTo(0.015, 10);
  });

  it('are a table of all terms', () => {
    const lines = liveLines(live);
    const row = lines.find((line) => line.startsWith('jitter'))!;
    expect(row).toMatch(
      /-1\.00 ± 0\.00 +\+1\.50 ± 0\.00 +\+1\.50 ± 0\.00 +30 +30 to 30 +-2\.00 ± 0\.00 +1\.00 +2\.00 x/,
    );
    expect(lines.join('\n')).toContain('the live task loses 20.0 ± 0.0 points');
    expect(liveAims(live, 'jitter')).toEqual([
      'jitter: live loss closed 30 %, aim at least 25: reached;',
      'its single model -1.00 ± 0.00 points, aim at least -0.5: MISSED.',
    ]);
    const json = furtherJson(null, live) as { live: { id: string; stepCost: number }[] };
    expect(json.live[1]).toMatchObject({ id: 'jitter', stepCost: 2 });
  });

  it('have no share where plain training loses nothing', () => {
    const { variants } = analyseLive(
      [{ seed: 0, live: liveTableOf(livesOf(0.9, 0.9, 0.8), livesOf(0.9, 0.91, 0.8)) }],
      20,
    );
    expect(variants[1]!.lossClosed).toBeNull();
  });
});
