import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { NO_ADAPTER, REQUESTS } from './adapter.js';

/** Drivers of many cards take a while to start. */
const LONGEST_MS = 60_000;
/** Of the system and of people, not of a crash. */
const FROM_OUTSIDE = ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGTERM'];
/** Windows ends crashed processes with codes from here on. */
const FIRST_CRASH_CODE = 0xc0000000;

/** What the other process says, each on a line of its own: it has loaded Dawn, and then one of the others. */
const MARK = 'mergeguard looks:';
const VERDICTS = ['found', 'none', 'unclear'];
const LOOK = `
const say = (word) => process.stdout.write('${MARK}' + word + '\\n');
const { create } = await import(process.argv[1]);
say('loaded');
try {
  const gpu = create([]);
  let adapter = null;
  for (const request of ${JSON.stringify(REQUESTS)}) {
    adapter ??= await gpu.requestAdapter(request);
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
  const { said, signal, code, isLate } = await run(moduleUrl, longestMs);
  if (says(said, 'found') || says(said, 'unclear')) {
    return;
  }
  if (says(said, 'none')) {
    throw new Error(NO_ADAPTER);
  }
  if (isLate) {
    throw new Error(`the graphics driver did not answer within ${longestMs / 1000} s`);
  }
  if (signal !== null && FROM_OUTSIDE.includes(signal)) {
    throw new Error(`looking for a graphics driver was interrupted (${signal})`);
  }
  const isCrash = signal !== null || (code !== null && code >= FIRST_CRASH_CODE) || says(said, 'loaded');
  if (isCrash) {
    throw new Error(`the graphics driver ends the process that starts it (${signal ?? `exit code ${code}`})`);
  }
}

/** @param said on standard output, where something else may have written too */
function says(said: string, word: string): boolean {
  return said.includes(`${MARK}${word}\n`);
}

interface Ended {
  readonly said: string;
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly isLate: boolean;
}

/** Until it is known or over: what taking a driver down does after that is no matter. */
function run(moduleUrl: string, longestMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    let said = '';
    let timer: NodeJS.Timeout | undefined;
    const end = (how: Partial<Ended>) => {
      clearTimeout(timer);
      resolve({ said, signal: null, code: null, isLate: false, ...how });
    };
    try {
      const child = spawn(process.execPath, ['--input-type=module', '-e', LOOK, moduleUrl], {
        // NODE_OPTIONS may make it wait for a debugger.
        env: { ...process.env, NODE_OPTIONS: '' },
        stdio: ['ignore', 'pipe', 'ignore'],
        windowsHide: true,
      });
      const stop = (how: Partial<Ended>) => {
        end(how);
        child.kill('SIGKILL');
      };
      timer = setTimeout(() => stop({ isLate: true }), longestMs);
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (VERDICTS.some((word) => says(said, word))) {
          stop({});
        }
      });
      child.on('error', () => end({}));
      child.on('close', (code, signal) => end({ code, signal }));
    } catch {
      // It can not be started: nothing is known.
      end({});
    }
  });
}
