import { afterEach, describe, expect, it } from 'vitest';
import { BACKEND_NAMES, type Survey } from '../../src/backend/index.js';
import { killAll, run } from './program.js';

afterEach(killAll);

describe('mergeguard doctor', () => {
  it('names every backend, and of those that do not open the reason and what to install', async () => {
    const { code, out } = await run('doctor');
    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^mergeguard \d.*, node v\d.* cores, \d+ GiB$/);
    for (const name of BACKEND_NAMES) {
      const at = lines.findIndex((line) => line.split(/ +/)[2] === name);
      expect(at, name).toBeGreaterThan(0);
      expect(lines[at]).toMatch(/^ {2}(ok|--) {2}\w+ +\S/);
      if (lines[at].startsWith('  --')) {
        expect(lines[at + 1]).toMatch(/^ +to get it: \S/);
      }
    }
    expect(lines.filter((line) => line.endsWith('<- --backend auto takes this one')).length).toBe(1);
    expect(out).toContain('Shipped fingerprints: ');
  });

  it('prints one JSON object and nothing else with --json', async () => {
    const { code, out } = await run('doctor', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as { chosen: string; backends: Survey[]; fingerprints: string[] };
    expect(report.backends.map(({ name }) => name)).toEqual(BACKEND_NAMES);
    for (const { name, opens, description, advice } of report.backends) {
      expect([typeof opens, description.length > 0, advice.length > 0], name).toEqual([
        'boolean',
        true,
        true,
      ]);
    }
    const chosen = report.backends.find(({ name }) => name === report.chosen);
    expect(chosen?.opens).toBe(true);
    expect(Array.isArray(report.fingerprints)).toBe(true);
  });
});
