import { type ChildProcess, spawn } from 'node:child_process';
import { messageOf } from '../tensors/index.js';
import type { FilledCommand } from './command-template.js';

export interface RunOptions {
  /** working folder */
  readonly folder: string;
  readonly timeLimitSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** How a process ended. */
export interface Ran {
  /** null where it ended well; else what went wrong, a sentence */
  readonly failure: string | null;
  /** the last of standard output */
  readonly output: string;
  /** the last of standard error */
  readonly errors: string;
}

/** Characters of each stream that are kept. */
const KEPT = 1 << 16;

/**
 * Runs a command to its end. It has a process group of its own, which is killed as a whole after the time limit, on abort, and
 * when the command itself has ended: nothing that it started is left running.
 */
export function runCommand(command: FilledCommand, options: RunOptions): Promise<Ran> {
  const { folder, timeLimitSeconds, signal } = options;
  const { program, args, shell, environment } = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      cwd: folder,
      shell,
      detached: true,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [output, errors] = [lastOf(child.stdout), lastOf(child.stderr)];
    let exit: { code: number | null; by: NodeJS.Signals | null } | null = null;
    const leave = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (exit === null) {
        killGroup(child);
      }
      // a process that left the group may hold them open for ever
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const end = (failure: string | null) => {
      leave();
      resolve({ failure, output: output(), errors: errors() });
    };
    const endOf = ({ code, by }: NonNullable<typeof exit>) => {
      end(code === 0 ? null : code === null ? `it was ended by ${by}` : `it ended with exit code ${code}`);
    };
    const abort = () => {
      leave();
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      if (exit === null) {
        end(`it was not done within ${timeLimitSeconds} s (timeLimitSeconds) and was stopped`);
      } else {
        endOf(exit);
      }
    }, 1000 * timeLimitSeconds);
    child.on('error', (error) => end(`it can not be started: ${messageOf(error)}`));
    child.on('exit', (code, by) => {
      exit = { code, by };
      killGroup(child);
    });
    child.on('close', () => exit !== null && endOf(exit));
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) {
      abort();
    }
  });
}

/** Keeps the last of a stream. */
function lastOf(stream: NodeJS.ReadableStream): () => string {
  let kept = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    kept = (kept + text).slice(-KEPT);
  });
  return () => kept;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) {
    return;
  }
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // there is nobody left in it
  }
}
