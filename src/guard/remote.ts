import type { Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { EventStream } from './event-stream.js';
import { type AlertEvent, type EndEvent, type GuardEvent, PROTOCOL } from './events.js';
import { LastOrder } from './last-order.js';
import { type LinkListener, openLink, produceUrl } from './remote-link.js';
import type { Guard, Observation, RunSetup } from './types.js';
import { encodeObservation } from './wire.js';
import { type CloseMessage, isPublished, type OpenMessage } from './wire-messages.js';

/** The longest pause between two attempts to reconnect. */
const LONGEST_PAUSE_MS = 15_000;

export interface RemoteOptions {
  /** bytes that may wait in the socket before observations are dropped; defaults to 4 MiB */
  readonly bufferBytes?: number;
  /** how long connecting, and the guard's last work, may take, in ms; defaults to 10,000 */
  readonly timeoutMs?: number;
  /** pause before the first attempt to reconnect, doubled each time up to 15 s; defaults to 250 ms */
  readonly retryMs?: number;
  /** attempts to reconnect before the guard is given up; defaults to 40, about nine minutes */
  readonly retries?: number;
}

export interface RemoteGuard extends Guard {
  /** observations that were not sent because the server was slow or gone */
  readonly dropped: number;
}

/**
 * A guard in another process, behind the WebSocket of `mergeguard serve`. Connects before it resolves, and then has what the guard
 * says at the opening, so that what steers is in force from the first step on; from then on nothing in it throws or waits. A
 * lost server is an alert of the rule `server`, and what steers fades out (a `steer` event with a lifetime); it is tried again with
 * growing pauses, and there the run begins anew.
 *
 * @param url the server's address, e.g. `http://127.0.0.1:7337`
 * @param config guard options as in guard.yaml; what is absent is set by the server
 * @throws MergeguardError when there is no such server or it refuses the run
 */
export async function connectGuard(
  url: string,
  setup: RunSetup,
  config: Record<string, unknown> = {},
  options: RemoteOptions = {},
): Promise<RemoteGuard> {
  const open: OpenMessage = {
    type: 'open',
    protocol: PROTOCOL,
    setup: { ...setup, references: [...setup.references] },
    config,
  };
  const guard = new Remote(produceUrl(url), open, options);
  await guard.connect();
  return guard;
}

class Remote implements RemoteGuard {
  readonly #stream = new EventStream();
  readonly events: Observable<GuardEvent> = this.#stream.events;
  readonly #url: URL;
  readonly #open: OpenMessage;
  readonly #options: Required<RemoteOptions>;
  readonly #reported = new Set<string>();
  readonly #order = new LastOrder();
  readonly #listener: LinkListener = {
    event: (event) => this.#take(event),
    problem: (message) => this.#report('The guard sent a message that can not be read', message),
    lost: (reason, refused) => this.#lose(reason, refused),
  };
  #socket: WebSocket | null = null;
  #retry: NodeJS.Timeout | undefined;
  #farewell: CloseMessage | null = null;
  #closing: Promise<void> | null = null;
  #over: (() => void) | null = null;
  #dropped = 0;
  #step = 0;

  constructor(url: URL, open: OpenMessage, options: RemoteOptions) {
    this.#url = url;
    this.#open = open;
    this.#options = { bufferBytes: 2 ** 22, timeoutMs: 10_000, retryMs: 250, retries: 40, ...options };
  }

  get dropped(): number {
    return this.#dropped;
  }

  async connect(): Promise<void> {
    this.#socket = await openLink(this.#url, this.#open, this.#options.timeoutMs, this.#listener);
  }

  observe(observation: Observation): void {
    if (this.#closing !== null) {
      return;
    }
    this.#step = Math.max(this.#step, observation.statistics.step);
    if (!this.#send('observation', () => encodeObservation(observation))) {
      this.#dropped += 1;
    }
  }

  publish(event: GuardEvent): void {
    if (this.#closing !== null) {
      return;
    }
    if (event.event === 'end') {
      void this.close(event.status, event.summary, event.reason);
    } else if (!isPublished(event)) {
      this.#report(`An event ${event.event} was not published`, 'Only progress, probe and alert can be.');
    } else if (!this.#send('event', () => JSON.stringify(event))) {
      // otherwise it comes back in the guard's stream
      this.#stream.emit(event);
    }
  }

  close(status: EndEvent['status'], summary: Record<string, unknown> = {}, reason?: string): Promise<void> {
    this.#closing ??= this.#finish(status, summary, reason);
    return this.#closing;
  }

  /** Whether it was handed to the socket; not when that is gone or full, or the message can't be written. */
  #send(what: string, message: () => string | Uint8Array): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > this.#options.bufferBytes) {
      return false;
    }
    try {
      socket.send(message());
      return true;
    } catch (error) {
      this.#report(`An ${what} could not be sent`, (error as Error).message);
      return false;
    }
  }

  #take(event: GuardEvent): void {
    this.#step = Math.max(this.#step, event.step);
    this.#order.note(event, this.#step);
    if (event.event !== 'end') {
      this.#stream.emit(event);
    } else if (this.#farewell !== null) {
      this.#stream.emit(event);
      this.#over?.();
    }
    // an end that nobody here asked for: the server goes down, and the lost connection will say so
  }

  #lose(reason: string, refused: boolean): void {
    this.#socket = null;
    this.#over?.();
    if (this.#closing !== null) {
      return;
    }
    const next = refused ? 'The training goes on without a guard.' : 'It is tried again with growing pauses.';
    this.#alert('raised', refused ? 'error' : 'warning', 'The guard is lost', `${reason}. ${next}`);
    const fading = this.#order.fading(this.#now());
    if (fading !== null) {
      this.#stream.emit(fading);
    }
    if (!refused) {
      this.#retryLater(0, reason);
    }
  }

  #retryLater(attempt: number, reason: string): void {
    const { retries, retryMs } = this.#options;
    if (attempt >= retries) {
      const text = `${retries} attempts to reconnect failed, the last: ${reason}`;
      this.#alert('raised', 'error', 'The guard is given up; the training goes on without', text);
      return;
    }
    const pause = Math.min(retryMs * 2 ** attempt, LONGEST_PAUSE_MS);
    this.#retry = setTimeout(() => void this.#reconnect(attempt), pause).unref();
  }

  async #reconnect(attempt: number): Promise<void> {
    try {
      await this.connect();
    } catch (error) {
      if (this.#closing === null) {
        this.#retryLater(attempt + 1, (error as Error).message);
      }
      return;
    }
    if (this.#farewell !== null) {
      // closed while connecting: the server still learns how the run ended
      if (this.#socket !== null) {
        sendFarewell(this.#socket, this.#farewell);
        this.#socket.close();
      }
      return;
    }
    this.#alert('cleared', 'info', 'The guard is back', `The run begins anew at ${this.#url.host}.`);
  }

  async #finish(status: EndEvent['status'], given: Record<string, unknown>, reason?: string): Promise<void> {
    clearTimeout(this.#retry);
    const summary = this.#dropped > 0 ? { ...given, observationsNotSent: this.#dropped } : given;
    this.#farewell = { type: 'close', status, summary, reason };
    if (this.#socket?.readyState === WebSocket.OPEN) {
      await this.#sayGoodbye(this.#socket, this.#farewell);
    }
    // ignored where the guard itself has said it
    const end: EndEvent = { event: 'end', ...this.#now(), status, summary };
    this.#stream.emit(reason === undefined ? end : { ...end, reason });
  }

  /** Resolves when the guard's end has come, the connection is gone, or after `timeoutMs`. */
  async #sayGoodbye(socket: WebSocket, farewell: CloseMessage): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#over = resolve;
      timer = setTimeout(resolve, this.#options.timeoutMs);
      sendFarewell(socket, farewell);
    });
    clearTimeout(timer);
    socket.close();
  }

  /** Told once: the same trouble comes every tick. */
  #report(title: string, text: string): void {
    if (!this.#reported.has(title)) {
      this.#reported.add(title);
      this.#alert('raised', 'error', title, text);
    }
  }

  #alert(state: AlertEvent['state'], level: AlertEvent['level'], title: string, text: string): void {
    const evidence = { dropped: this.#dropped };
    const alert = { rule: 'server', state, level, title, text, evidence };
    this.#stream.emit({ event: 'alert', ...this.#now(), ...alert });
  }

  #now(): Pick<GuardEvent, 'run' | 'time' | 'step'> {
    return { run: this.#open.setup.run, time: new Date().toISOString(), step: this.#step };
  }
}

function sendFarewell(socket: WebSocket, farewell: CloseMessage): void {
  try {
    socket.send(JSON.stringify(farewell));
  } catch {
    // a summary that JSON can't write; the local end still has it
    socket.send(JSON.stringify({ ...farewell, summary: {} }));
  }
}
