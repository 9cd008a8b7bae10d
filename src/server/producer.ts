import type { Subscription } from 'rxjs';
import type { RawData, WebSocket } from 'ws';
import {
  decodeObservation,
  type EndEvent,
  type Guard,
  type Observation,
  type OpenMessage,
  parseFirstMessage,
  parseProducerMessage,
  type RunSetup,
  type SteerMessage,
} from '../guard/index.js';
import { messageOf } from '../tensors/errors.js';
import { MergeguardError } from '../tensors/index.js';
import { Outbox, type OutboxLimits } from './outbox.js';
import type { Runs } from './runs.js';

/** Makes the guard of a run in another process; may throw a MergeguardError, which the producer is told. */
export type OpenRun = (setup: RunSetup, config: Record<string, unknown>) => Guard | Promise<Guard>;

/** A WebSocket close reason may have 123 bytes. */
const REASON_BYTES = 123;

/**
 * One client of /v1/produce. A training process: its messages go to a guard of its own, the guard's events go back
 * to it and to the subscribers. A wrong message ends this run and no other. Or somebody who steers a run by hand: each
 * order goes to the guard of that run.
 */
export class Producer {
  #socket: WebSocket;
  #openRun: OpenRun | null;
  #runs: Runs;
  #outbox: Outbox;
  #guard: Guard | null = null;
  #setup: RunSetup | null = null;
  #events: Subscription | null = null;
  #ended: Promise<void> | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket, openRun: OpenRun | null, runs: Runs, limits: OutboxLimits) {
    this.#socket = socket;
    this.#openRun = openRun;
    this.#runs = runs;
    this.#outbox = new Outbox(socket, limits);
    // one after the other: opening may take a while, and what follows must wait for it
    const enqueue = (step: () => void | Promise<void>) => {
      this.#work = this.#work.then(step).catch((error) => this.#refuse(error));
    };
    socket.on('message', (data, isBinary) => enqueue(() => this.#take(data, isBinary)));
    socket.on('close', () => enqueue(() => this.stop('producer lost')));
  }

  /** Ends the run as failed, unless it has ended already. */
  async stop(reason: string): Promise<void> {
    await this.#end('failed', {}, reason);
  }

  async #take(data: RawData, isBinary: boolean): Promise<void> {
    if (this.#ended !== null) {
      return;
    }
    const bytes = data as Buffer;
    if (this.#guard === null || this.#setup === null) {
      const message = parseFirstMessage(bytes, isBinary);
      if (message.type === 'open') {
        await this.#open(message);
      } else {
        this.#steer(message);
      }
    } else if (isBinary) {
      this.#guard.observe(observationOf(bytes, this.#setup));
    } else {
      const message = parseProducerMessage(bytes.toString(), this.#setup.run);
      if ('event' in message) {
        this.#guard.publish(message);
      } else {
        await this.#end(message.status, message.summary, message.reason);
        this.#socket.close(1000);
      }
    }
  }

  #steer({ run, terms, lifetimeSteps, reason }: SteerMessage): void {
    const { step } = this.#runs.steer(run, { terms, lifetimeSteps, reason });
    this.#socket.send(JSON.stringify({ type: 'steered', run, step }));
  }

  async #open({ setup, config }: OpenMessage): Promise<void> {
    if (this.#openRun === null) {
      throw new MergeguardError(
        'it belongs to one training and takes no runs of other processes; start one that does with: mergeguard serve',
      );
    }
    if (this.#runs.isLive(setup.run)) {
      throw new MergeguardError(
        `run "${setup.run}" is already under way on this server; name it differently`,
      );
    }
    this.#socket.pause();
    try {
      this.#guard = await this.#openRun(setup, config);
    } finally {
      this.#socket.resume();
    }
    if (this.#ended !== null) {
      // the server was closed meanwhile
      await this.#guard.close('failed', {}, 'the server was closed');
      return;
    }
    this.#setup = setup;
    this.#runs.attach(setup.run, this.#guard.events, this.#guard);
    this.#events = this.#guard.events.subscribe({
      next: (event) => this.#outbox.send(event),
      // the run's subscribers are told by Runs
      error: () => this.#socket.close(1011, 'the guard failed'),
    });
  }

  #end(status: EndEvent['status'], summary: Record<string, unknown>, reason?: string): Promise<void> {
    this.#ended ??= Promise.resolve(this.#guard?.close(status, summary, reason)).finally(() =>
      this.#events?.unsubscribe(),
    );
    return this.#ended;
  }

  async #refuse(error: unknown): Promise<void> {
    const message = messageOf(error);
    const isOurs = !(error instanceof MergeguardError);
    if (this.#socket.readyState === this.#socket.OPEN) {
      // the whole sentence as a message, since a close reason is short
      this.#socket.send(JSON.stringify({ type: 'error', message }));
      this.#socket.close(isOurs ? 1011 : 1008, cut(message));
    }
    await this.stop(message).catch(() => undefined);
  }
}

/** @throws MergeguardError when the bytes are not an observation of this run */
function observationOf(bytes: Uint8Array, setup: RunSetup): Observation {
  const observation = decodeObservation(bytes);
  const { run, references } = observation.statistics;
  if (run !== setup.run) {
    throw new MergeguardError(`this connection is of run "${setup.run}", the observation of run "${run}"`);
  }
  const opened = setup.references.map(({ name }) => name);
  if (JSON.stringify(references) !== JSON.stringify(opened)) {
    throw new MergeguardError(
      `the run was opened with the references ${opened.join(', ')}, the observation has ${references.join(', ')}`,
    );
  }
  return observation;
}

/** Cut to what fits into a close reason, on a whole character. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= REASON_BYTES) {
    return text;
  }
  let end = REASON_BYTES - 3;
  while ((bytes[end]! & 0xc0) === 0x80) {
    end -= 1;
  }
  return `${bytes.subarray(0, end).toString()}...`;
}
