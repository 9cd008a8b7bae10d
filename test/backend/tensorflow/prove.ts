import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { Survey } from '../../../src/backend/index.js';
import { unpackWheel } from '../../../src/backend/tensorflow/wheel.js';

/**
 * `npm run test:backend:tensorflow`: proves the tensorflow backend on a CPU library, which takes the same way as one for CUDA. In a
 * throw-away copy of the checkout, with a fresh `npm ci`:
 *
 * - `mergeguard backend install tensorflow` from a wheel of tensorflow-cpu, and from a libtensorflow unpacked as the official ones are
 * - an install that fails leaves the one before it as it was
 * - the same binding loads under Node.js 20, 22 and 24
 * - the whole backend contract, the tests of the tap and of the metrics on it, native Svd among them, and the demo
 * - `mergeguard backend uninstall tensorflow` leaves nothing
 *
 * Fetches the wheel by pip, and the other Node.js by npx. MERGEGUARD_TENSORFLOW_WHEEL names a wheel that is here already, of any version.
 * Linux on x64, with g++, npm and, without that wheel, pip. About half an hour on two cores; ends with 0 if all of it holds.
 */
const WHEEL = 'tensorflow-cpu==2.21.0';
const NODES = ['20', '22', '24'];
const TESTS = ['test/backend/contract.test.ts', 'test/backend/tensorflow', 'test/hooks/tfjs'];
const DEMO = ['--steps', '60', '--pretrain-steps', '60', '--reference-steps', '40', '--no-server'];

const root = mkdtempSync(join(tmpdir(), 'mergeguard-tensorflow-'));
const copy = join(root, 'checkout');
const cli = join('dist', 'src', 'cli', 'index.js');
const installed = join(copy, '.mergeguard', 'tensorflow');

try {
  const wheel = fetchWheel();
  step('copying the checkout, npm ci, npm run build');
  copyCheckout();
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  run('npm', ['run', 'build']);
  const version = /-(\d+\.\d+\.\d+)/.exec(basename(wheel))![1];

  step('before: doctor says that nothing is installed, and how to get it');
  const before = tensorflow([process.execPath]);
  check(!before.opens && before.advice.includes('mergeguard backend install tensorflow'), before);

  step(`install --from-wheel ${basename(wheel)}`);
  run('node', [cli, 'backend', 'install', 'tensorflow', '--from-wheel', wheel]);
  checkOpens([process.execPath], version);

  step('an install that fails leaves this one as it was');
  writeBroken(join(root, 'broken'));
  const failed = attempt('node', [
    cli,
    'backend',
    'install',
    'tensorflow',
    '--libtensorflow',
    join(root, 'broken'),
  ]);
  check(failed.status === 1 && /could not build the binding against/.test(failed.stderr), failed.stderr);
  check(readdirSync(join(installed, '..')).join() === 'tensorflow', readdirSync(join(installed, '..')));
  for (const node of NODES) {
    step(`Node.js ${node}`);
    checkOpens(['npx', '-y', '-p', `node@${node}`, 'node'], version);
  }

  step('uninstall');
  run('node', [cli, 'backend', 'uninstall', 'tensorflow']);
  check(!existsSync(installed) && !tensorflow([process.execPath]).opens, 'it is still there');

  step('install --libtensorflow, of a folder with lib/ and include/');
  await unpackAsOfficial(wheel, join(root, 'libtensorflow'));
  run('node', [cli, 'backend', 'install', 'tensorflow', '--libtensorflow', join(root, 'libtensorflow')]);
  checkOpens([process.execPath], version);

  step(`the demo: ${DEMO.join(' ')}`);
  const demo = attempt('node', [
    ...[cli, 'demo', '--backend', 'tensorflow', '--cache', join(root, 'cache'), ...DEMO],
  ]);
  // a table with a line for each merge that was made
  check(demo.status === 0 && / weight_avg .* \d+\.\d$/m.test(demo.stderr), demo.stderr);

  step(`tests: ${TESTS.join(', ')}`);
  execFileSync('npx', ['vitest', 'run', ...TESTS], {
    cwd: copy,
    stdio: 'inherit',
    env: { ...process.env, MERGEGUARD_TEST_BACKEND: 'tensorflow' },
  });
  step(`all of it holds on libtensorflow ${version}`);
} finally {
  rmSync(root, { recursive: true, force: true });
}

function fetchWheel(): string {
  const given = process.env.MERGEGUARD_TENSORFLOW_WHEEL;
  if (given) {
    return resolve(given);
  }
  step(`fetching ${WHEEL}`);
  // The version of Python is of no matter to the libraries in it.
  const what = [
    '--only-binary=:all:',
    '--python-version',
    '311',
    '--platform',
    'manylinux_2_27_x86_64',
    WHEEL,
  ];
  execFileSync('python3', ['-m', 'pip', 'download', '--no-deps', '-d', root, ...what], { stdio: 'inherit' });
  return join(root, readdirSync(root).find((name) => name.endsWith('.whl'))!);
}

/** What git has, and what it would take. */
function copyCheckout(): void {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  for (const file of listed
    .toString()
    .split('\0')
    .filter((each) => each !== '' && existsSync(each))) {
    cpSync(file, join(copy, file));
  }
}

/** A libtensorflow with all that is looked for first, but no headers worth the name. */
function writeBroken(folder: string): void {
  cpSync(join(installed, 'tensorflow'), folder, { recursive: true });
  const headers = join(folder, 'include', 'tensorflow', 'c', 'eager');
  mkdirSync(headers, { recursive: true });
  writeFileSync(join(headers, 'c_api.h'), '#error not these\n');
}

async function unpackAsOfficial(wheel: string, folder: string): Promise<void> {
  const unpacked = join(root, 'unpacked');
  mkdirSync(unpacked);
  await unpackWheel(wheel, unpacked);
  cpSync(join(unpacked, 'tensorflow', 'include'), join(folder, 'include'), { recursive: true });
  for (const name of readdirSync(join(unpacked, 'tensorflow')).filter((each) => each.includes('.so'))) {
    cpSync(join(unpacked, 'tensorflow', name), join(folder, 'lib', name));
  }
  rmSync(unpacked, { recursive: true });
}

function checkOpens(node: readonly string[], version: string): void {
  const { opens, description } = tensorflow(node);
  check(opens && description.startsWith(`libtensorflow ${version}, CPU`), description);
  process.stdout.write(`  ${description}\n`);
}

/** What doctor says of it. */
function tensorflow([command, ...rest]: readonly string[]): Survey {
  const { backends } = JSON.parse(run(command, [...rest, cli, 'doctor', '--json'])) as { backends: Survey[] };
  return backends.find(({ name }) => name === 'tensorflow')!;
}

/** Returns standard output. */
function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = attempt(command, args);
  check(status === 0, `${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

function attempt(command: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd: copy, encoding: 'utf8', maxBuffer: 2 ** 28 });
}

function check(holds: boolean, otherwise: unknown): void {
  if (!holds) {
    throw new Error(
      `it does not hold: ${typeof otherwise === 'string' ? otherwise : JSON.stringify(otherwise)}`,
    );
  }
}

function step(text: string): void {
  process.stdout.write(`\n== ${text}\n`);
}
