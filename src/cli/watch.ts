import { setTimeout } from 'node:timers/promises';
import type { Command } from './command.js';
import type { Terminal } from './screen.js';
import { plain } from './text.js';
import { openStream, type StreamHandlers, streamAddress } from './watch-client.js';
import { Watcher, type WatchMode } from './watcher.js';

const DEFAULT_URL = 'ws://127.0.0.1:7337';
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface WatchOptions extends WatchMode {
  readonly url: string;
}

/** Where `watch` reads and writes; the command gives it those of the process. */
export interface WatchIo {
  readonly out: Terminal;
  readonly err: { write(text: string): unknown };
  readonly env: NodeJS.ProcessEnv;
  /** aborted when the user has seen enough */
  readonly signal: AbortSignal;
  /** calls back whenever the terminal's size has changed */
  onResize?(callback: () => void): void;
}

/** `mergeguard watch`: a live view of a running guard. */
export const watchCommand: Command<WatchOptions> = {
  builder: (yargs) =>
    yargs
      .positional('url', {
        type: 'string',
        default: DEFAULT_URL,
        describe: 'Address of the guard; ?run=NAME picks one of several runs',
      })
      .options({
        json: { type: 'boolean', default: false, describe: 'Print the events as they come, one JSON a line' },
        once: { type: 'boolean', default: false, describe: 'Print the state after the first tick and stop' },
        follow: {
          type: 'boolean',
          default: false,
          describe: 'Go on after a run has ended or the connection was lost',
        },
      })
      .check(({ once, follow }) => !(once && follow) || '--once and --follow exclude each other'),
  handler: async (args) => {
    const stop = new AbortController();
    const abort = () => stop.abort();
    process.once('SIGINT', abort).once('SIGTERM', abort);
    // `mergeguard watch | head` closes the pipe: that is the end of it, not a failure
    process.stdout.on('error', abort);
    process.exitCode = await watch(args, {
      out: process.stdout,
      err: process.stderr,
      env: process.env,
      signal: stop.signal,
      onResize: (callback) => process.stdout.on('resize', callback),
    });
    process.removeListener('SIGINT', abort).removeListener('SIGTERM', abort);
  },
};

/**
 * Shows a guard until its run ends. Resolves with the exit code: 0 when the run ended or the user stopped,
 * 1 when there is no guard or the connection was lost, 2 for an address that is none.
 */
export async function watch(options: WatchOptions, io: WatchIo): Promise<number> {
  const address = streamAddress(options.url);
  if (address === null) {
    io.err.write(`"${plain(options.url)}" is no address of a guard; it looks like ${DEFAULT_URL}\n`);
    return 2;
  }
  const watcher = new Watcher(options, io.out, io.env);
  const unreadable: string[] = [];
  const handlers: StreamHandlers = {
    onEvent: (event) => watcher.event(event),
    onUnreadable: (why) => unreadable.push(why),
  };
  io.onResize?.(() => watcher.resized());
  const problem = await follow(address, handlers, watcher, options.follow, io.signal);
  watcher.close();
  if (unreadable.length > 0) {
    const words = `messages that could not be read: ${unreadable.length}, the first because of ${unreadable[0]}`;
    io.err.write(`${words}; is the guard of another version than this program?\n`);
  }
  if (problem !== null) {
    io.err.write(`${problem}\n`);
  }
  return problem === null ? 0 : 1;
}

/** Connects, again and again where asked to. Resolves with what went wrong, or null. */
async function follow(
  address: string,
  handlers: StreamHandlers,
  watcher: Watcher,
  again: boolean,
  signal: AbortSignal,
): Promise<string | null> {
  const stopped = aborted(signal);
  let wait = FIRST_WAIT_MS;
  let wasConnected = false;
  while (!signal.aborted) {
    try {
      const stream = await openStream(address, handlers);
      wait = FIRST_WAIT_MS;
      wasConnected = true;
      watcher.redraw();
      const reason = await Promise.race([stream.closed, watcher.finished, stopped]);
      stream.close();
      if (reason === undefined || watcher.isDone) {
        return null;
      }
      if (!again) {
        return `the connection to ${address} was lost before the end (${reason}); --follow connects again`;
      }
    } catch (error) {
      if (!wasConnected) {
        const reason = error instanceof Error ? error.message : String(error);
        const way =
          'start one with `mergeguard demo` or `mergeguard serve`, or give the address of one that runs';
        return `there is no guard at ${address} (${reason}); ${way}`;
      }
    }
    await setTimeout(wait, undefined, { signal }).catch(() => undefined);
    wait = Math.min(LONGEST_WAIT_MS, 2 * wait);
  }
  return null;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
