import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Survey } from '../../../src/backend/index.js';

/**
 * `npm run test:backend:webgpu`: the backend contract, the device's own tests, the tap, the metrics on it and the demo on webgpu: on the
 * machine's own adapter, or, on a Linux machine without a Vulkan driver, on SwiftShader, the software driver that comes with Debian's
 * chromium (with libvulkan1 to load it). With `--quick` the contract, the device's tests and the kernels of the tap alone.
 *
 * Ends with 0 if all of it holds. Where there is no driver, or nothing to load one, nothing is run, which is said in a sentence.
 */
const QUICK = [
  'test/backend/contract.test.ts',
  'test/backend/webgpu',
  'test/hooks/tfjs/tick-sums',
  'test/hooks/tfjs/gradient-fold',
  'test/hooks/tfjs/gradient-average.test.ts',
];
const MORE = [
  'test/hooks/tfjs/subspaces',
  'test/hooks/tfjs/reference-memory/webgpu.test.ts',
  ...['statistics', 'self-probe', 'attach', 'steering', 'device-lost'].map(
    (name) => `test/hooks/tfjs/${name}.test.ts`,
  ),
];
const DEMO = ['--steps', '60', '--pretrain-steps', '60', '--reference-steps', '40'];
/** On a software adapter a step of the demo's model takes half a minute, and so does it to evaluate a hundred images. */
const SMALL_DEMO = [
  ...['--steps', '4', '--pretrain-steps', '1', '--reference-steps', '1'],
  ...['--references', 'arrows', '--test-images', '16'],
];
const SMALL_CONFIG = `
overhead: 0.5
selfProbe: { samples: 16 }
mergeProbe: { samples: 16 }
functional: { samples: 8 }
steering: { scale_jitter: { strength: 1, every: 3 } }
`;
const LONGEST_TEST_MS = 600_000;

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const DRIVER_FOLDERS = ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];

// Vitest would pass over a name that nothing has.
const missing = [...QUICK, ...MORE].filter((path) => !existsSync(path));
if (missing.length > 0) {
  throw new Error(`no such tests: ${missing.join(', ')}`);
}
const isQuick = process.argv.includes('--quick');
const environment = withDriver({ ...process.env, MERGEGUARD_TEST_BACKEND: 'webgpu' });
const { opens, description, advice } = survey();
if (opens) {
  process.stdout.write(`webgpu on ${description}\n`);
  const tests = isQuick ? QUICK : [...QUICK, ...MORE];
  run('npx', [
    'vitest',
    'run',
    `--testTimeout=${LONGEST_TEST_MS}`,
    `--hookTimeout=${LONGEST_TEST_MS}`,
    ...tests,
  ]);
  if (!isQuick) {
    runDemo(description.endsWith('a software adapter'));
  }
  process.stdout.write(`all of it holds on ${description}\n`);
} else if (hasDriver(environment) && hasLoader()) {
  throw new Error(`webgpu does not open, though there is a Vulkan driver: ${description}`);
} else {
  process.stdout.write(`webgpu is not tested, it does not open here: ${description}; to get it: ${advice}\n`);
}

/** Chromium's driver where there is no other. */
function withDriver(given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return hasDriver(given) || !existsSync(SWIFTSHADER) ? given : { ...given, VK_ICD_FILENAMES: SWIFTSHADER };
}

/** A Vulkan driver is named in the environment or installed. */
function hasDriver({ VK_ICD_FILENAMES, VK_DRIVER_FILES }: NodeJS.ProcessEnv): boolean {
  const isNamed = VK_ICD_FILENAMES !== undefined || VK_DRIVER_FILES !== undefined;
  return (
    isNamed ||
    DRIVER_FOLDERS.some(
      (folder) => existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.json')),
    )
  );
}

/** Linux has what loads Vulkan drivers. */
function hasLoader(): boolean {
  const { stdout } = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' });
  return (stdout ?? '').includes('libvulkan.so.1');
}

/** What doctor says of webgpu, in a process that sees the driver. */
function survey(): Survey {
  const { stdout, stderr } = spawnSync('npx', ['tsx', 'src/cli/index.ts', 'doctor', '--json'], {
    env: environment,
    encoding: 'utf8',
  });
  try {
    const { backends } = JSON.parse(stdout) as { backends: Survey[] };
    return backends.find(({ name }) => name === 'webgpu')!;
  } catch (cause) {
    throw new Error(`mergeguard doctor failed:\n${stderr}`, { cause });
  }
}

/** Ends well, and the device has done all that it was asked for. */
function runDemo(isSmall: boolean): void {
  const cache = mkdtempSync(join(tmpdir(), 'mergeguard-webgpu-'));
  const config = join(cache, 'guard.yaml');
  writeFileSync(config, SMALL_CONFIG);
  const options = isSmall ? [...SMALL_DEMO, '--config', config] : DEMO;
  const program = ['tsx', 'src/cli/index.ts', 'demo', '--backend', 'webgpu', '--no-server', '--cache', cache];
  const { status, stderr } = spawnSync('npx', [...program, ...options], {
    env: environment,
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  rmSync(cache, { recursive: true });
  process.stdout.write(stderr);
  if (status !== 0 || stderr.includes('The device reports an error')) {
    throw new Error(`the demo on webgpu ended with ${status}, or the device reported an error: see above`);
  }
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: 'inherit', env: environment });
}
