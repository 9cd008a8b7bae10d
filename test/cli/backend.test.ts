import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backendFolder } from '../../src/backend/tensorflow/place.js';
import { writeOfficial, writeText } from '../backend/tensorflow/library-files.js';
import { killAll, run } from './program.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'backend-'));
});
afterEach(() => {
  killAll();
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

/** What lies where backends are installed. */
function installed(): string[] {
  const parent = join(backendFolder(), '..');
  return existsSync(parent) ? readdirSync(parent) : [];
}

// Installs that come to their end are those of `npm run test:backend:tensorflow`: they take a compiler and half a gigabyte.
describe('mergeguard backend install tensorflow', () => {
  it('says all that is missing before it makes anything', async () => {
    const before = installed();
    vi.stubEnv('CXX', 'no-such-compiler');
    const wheel = join(folder, 'tensorflow.whl');
    writeFileSync(wheel, 'no zip file');
    const { code, out, err } = await run(
      ...['backend', 'install', 'tensorflow', '--from-wheel', wheel, '--cuda', folder],
    );
    expect([code, out]).toEqual([1, '']);
    const lines = err.trim().split('\n');
    expect(lines[0]).toBe('mergeguard: the tensorflow backend can not be installed:');
    expect(lines[1]).toContain('no-such-compiler does not run');
    expect(lines[2]).toContain(`${wheel} can not be read as a wheel`);
    expect(lines[3]).toContain(`${folder} holds no folder nvidia`);
    expect(installed()).toEqual(before);
  });

  it('says that a libtensorflow is too old before it compiles anything', async () => {
    const before = installed();
    writeOfficial(folder);
    const version = [
      '#define TF_MAJOR_VERSION 2',
      '#define TF_MINOR_VERSION 8',
      '#define TF_PATCH_VERSION 4',
    ];
    writeText(join(folder, 'include', 'tensorflow', 'core', 'public', 'version.h'), version.join('\n'));
    vi.stubEnv('CXX', 'no-such-compiler');
    const { code, err } = await run('backend', 'install', 'tensorflow', '--libtensorflow', folder);
    expect(code).toBe(1);
    expect(err).toContain('no-such-compiler does not run');
    expect(err).toContain(`${join(folder, 'lib')} is TensorFlow 2.8.4; the binding`);
    expect(installed()).toEqual(before);
  });

  it.each([
    [['install', 'tensorflow'], 'Give --libtensorflow FOLDER or --from-wheel FILE'],
    [
      ['install', 'tensorflow', '--libtensorflow', 'a', '--from-wheel', 'b'],
      '--libtensorflow and --from-wheel exclude each other',
    ],
    [['install', 'tensorflow', '--libtensorflow', ''], 'A path must not be empty.'],
    [['install', 'tensorflow', '--libtensorflow', 'a', '--cuda', 'b'], '--cuda goes with --from-wheel'],
    [['install', 'torch', '--libtensorflow', 'a'], 'Choices: "tensorflow"'],
    [[], 'Name what to do: install or uninstall.'],
  ])('%j is bad usage', async (args, message) => {
    const { code, err } = await run('backend', ...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
