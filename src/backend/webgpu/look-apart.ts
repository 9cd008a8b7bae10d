import { spawn } from 'node:child_process';
import { basename } from 'node:path';

/** Drivers of many cards take a while to start. */
const LONGEST_MS = 60_000;
/** Of the system and of people, not of a crash. */
const FROM_OUTSIDE = ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGTERM'];
/** Windows ends crashed processes with codes from here on. */
const FIRST_CRASH_CODE = 0xc0000000;

/** What the other process says, each on a line of its own: it has loaded Dawn, and then one of the others. */
const MARK = 'mergeguard looks:';
const LOOK = `
const say = (word) => process.stdout.write('${MARK}' + word + '\\n');
const { create } = await import(process.argv[1]);
say('loaded');
try {
  const gpu = create([]);
  let adapter = null;
  for (const powerPreference of ['high-performance', 'low-power', undefined]) {
    adapter ??= await gpu.requestAdapter({ powerPreference });
  }
  await adapter?.requestDevice();
  say(adapter === null ? 'none' : 'found');
} catch {
  say('unclear');
}
`;

/**
 * Looks for an adapter, and starts its device, in a process of its own: where there is no driver Dawn writes to standard error, and a
 * broken driver ends the process that starts it, which would be the training. Takes a fifth of a second where there is none, and as long
 * as the driver where there is one. What fails otherwise (a package that can't be loaded, a process that can't be started, a program
 * that is not run by node) is left to the caller to meet.
 * @param moduleUrl of the npm package webgpu; @param longestMs after which nobody waits any longer
 * @throws Error where there is no adapter, or its driver ended that process or did not answer
 */
export async function lookApart(moduleUrl: string, { longestMs = LONGEST_MS } = {}): Promise<void> {
  // Another program (Electron, one that brings its own node) would be started a second time by this.
  if (!/^node[\d.]*(\.exe)?$/i.test(basename(process.execPath))) {
    return;
  }
  const { words, signal, code, isLate } = await run(
    ['--input-type=module', '-e', LOOK, moduleUrl],
    longestMs,
  );
  if (words.includes('found') || words.includes('unclear')) {
    return;
  }
  if (words.includes('none')) {
    throw new Error('no Vulkan, Metal or D3D12 adapter found');
  }
  if (isLate) {
    throw new Error(`the graphics driver did not answer within ${longestMs / 1000} s`);
  }
  if (signal !== null && FROM_OUTSIDE.includes(signal)) {
    throw new Error(`looking for a graphics driver was interrupted (${signal})`);
  }
  const isCrash = signal !== null || (code !== null && code >= FIRST_CRASH_CODE) || words.includes('loaded');
  if (isCrash) {
    throw new Error(`the graphics driver ends the process that starts it (${signal ?? `exit code ${code}`})`);
  }
}

interface Ended {
  readonly words: readonly string[];
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly isLate: boolean;
}

/** Until it is known or over: what taking a driver down does after that is no matter. */
function run(args: readonly string[], longestMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    let said = '';
    const wordsOf = (lines: readonly string[]) =>
      lines.filter((line) => line.startsWith(MARK)).map((line) => line.slice(MARK.length));
    const end = (how: Partial<Ended>) =>
      resolve({ words: wordsOf(said.split('\n')), signal: null, code: null, isLate: false, ...how });
    try {
      // NODE_OPTIONS may make it wait for a debugger.
      const env = { ...process.env, NODE_OPTIONS: '' };
      const child = spawn(process.execPath, args, {
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
        windowsHide: true,
      });
      const timer = setTimeout(() => {
        end({ isLate: true });
        child.kill('SIGKILL');
      }, longestMs);
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        // The last line may still be on its way.
        if (wordsOf(said.split('\n').slice(0, -1)).some((word) => word !== 'loaded')) {
          end({});
          child.kill('SIGKILL');
        }
      });
      child.on('error', () => {
        clearTimeout(timer);
        end({});
      });
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        end({ code, signal });
      });
    } catch {
      // It can not be started: nothing is known.
      end({});
    }
  });
}
