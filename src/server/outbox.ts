import { WebSocket } from 'ws';
import type { EventName, GuardEvent } from '../guard/index.js';
import { eventText } from './event-text.js';

export interface OutboxLimits {
  /** bytes waiting in a socket above which ticks and progress are held back; defaults to 1 MiB */
  readonly softBytes: number;
  /** bytes above which the client is closed with code 1013; defaults to 16 MiB */
  readonly hardBytes: number;
}

export const DEFAULT_LIMITS: OutboxLimits = { softBytes: 2 ** 20, hardBytes: 2 ** 24 };

const DROPPABLE: ReadonlySet<EventName> = new Set(['tick', 'progress']);

/**
 * What one client still has to get. Sending never waits: while the client is behind, only the newest tick
 * and the newest progress of each run wait, and those they replace are counted; everything else is written
 * at once, up to the hard limit.
 */
export class Outbox {
  #socket: WebSocket;
  #limits: OutboxLimits;
  #waiting = new Map<string, GuardEvent>();
  #dropped = 0;

  constructor(socket: WebSocket, limits: OutboxLimits) {
    this.#socket = socket;
    this.#limits = limits;
  }

  /** events that this client will never get */
  get dropped(): number {
    return this.#dropped;
  }

  send(event: GuardEvent): void {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      return;
    }
    if (this.#behind && DROPPABLE.has(event.event)) {
      this.#hold(event);
      return;
    }
    if (!this.#behind || event.event === 'end') {
      // in order: nothing of a run comes after its end
      this.#writeWaiting();
    }
    this.#write(event);
  }

  get #behind(): boolean {
    return this.#socket.bufferedAmount > this.#limits.softBytes;
  }

  #hold(event: GuardEvent): void {
    const key = `${event.event} ${event.run}`;
    if (this.#waiting.has(key)) {
      this.#dropped += 1;
    }
    this.#waiting.set(key, event);
  }

  #writeWaiting(): void {
    const events = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const event of events) {
      this.#write(event);
    }
  }

  #write(event: GuardEvent): void {
    this.#socket.send(eventText(event), () => {
      if (this.#waiting.size > 0 && !this.#behind) {
        this.#writeWaiting();
      }
    });
    if (this.#socket.bufferedAmount > this.#limits.hardBytes) {
      this.#dropped += this.#waiting.size;
      this.#waiting.clear();
      this.#socket.close(1013, 'too slow: too many events are waiting');
    }
  }
}
