import { afterEach, describe, expect, it } from 'vitest';
import { BACKEND_NAMES, type Survey } from '../../src/backend/index.js';
import type { DeviceReport } from '../../src/cli/doctor/devices.js';
import type { TapCost } from '../../src/cli/doctor/tap-lines.js';
import { doctorCommand } from '../../src/cli/doctor.js';
import { killAll, run } from './program.js';
import { refusal } from './usage.js';

afterEach(killAll);

describe('mergeguard doctor', () => {
  it('names every backend, and of those that do not open the reason and what to install', async () => {
    const { code, out, err } = await run('doctor');
    expect(code).toBe(0);
    // What Dawn says of a machine without drivers is no news to a user.
    expect(err).not.toContain('vkCreateInstance');
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

  it('measures a device with --gpu, and states what ticks and folds must move at that rate', async () => {
    const { code, out } = await run(
      ...['doctor', '--gpu', '--backend', 'cpu', '--parameters', '1e6', '--references', '2', '--json'],
    );
    expect(code).toBe(0);
    const { devices } = JSON.parse(out) as { devices: (DeviceReport & { tap: TapCost })[] };
    expect(devices.map(({ backend, problem }) => [backend, problem])).toEqual([['cpu', null]]);
    const [{ rates, memory, tap }] = devices;
    expect(rates!.copy.bytesPerSecond).toBeGreaterThan(1e6);
    expect(rates!.matrices.flopsPerSecond).toBeGreaterThan(1e6);
    expect(rates!.answerMs).toBeGreaterThan(0);
    expect(memory!.bytes).toBeGreaterThan(2 ** 28);
    // Weights, base and average; task vector and gradient of two references; float32.
    expect(tap).toMatchObject({ tickBytes: 28e6, foldBytes: 12e6, memoryBytes: 24e6, referenceBytes: 16e6 });
    expect(tap.tickMs).toBeCloseTo(28e9 / rates!.copy.bytesPerSecond, 6);
    expect(tap.enoughStepMs).toBeCloseTo((tap.foldMs + tap.tickMs / 10) / 0.02, 6);
  });

  it('measures with --gpu what opens and is no last resort', async () => {
    const { code, out } = await run('doctor', '--gpu');
    expect(code).toBe(0);
    const measured = [...out.matchAll(/^Measured on (\w+), (.+):$/gm)].map(([, name]) => name);
    expect(measured).toContain('wasm');
    expect(measured).not.toContain('cpu');
    expect(out).toMatch(/^ {2}copy on the device +[\d.]+ [MGT]B\/s, read and written/m);
    expect(out).toMatch(/^ {2}The tap of 100 M parameters with 4 references, at the rate of a copy:$/m);
    expect(out).toMatch(/^ {4}a tick +moves 4.4 GB at least: [\d.]+ m?s$/m);
  });

  it.each([
    ['--gpu --references 1.5', '--references is 1.5; give a whole number from 0'],
    ['--gpu --parameters 0', '--parameters is 0; give a whole number from 1'],
    ['--backend wasm', '--backend says what --gpu measures; give --gpu too'],
    ['--parameters 1e9', '--parameters says what --gpu measures; give --gpu too'],
  ])('%s is bad usage', async (line, message) => {
    expect(await refusal('doctor', doctorCommand, line)).toBe(message);
  });
});
