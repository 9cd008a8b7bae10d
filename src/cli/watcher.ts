import type { GuardEvent } from '../guard/events.js';
import { Screen, type Terminal } from './screen.js';
import { plain } from './text.js';
import { eventLine, jsonLine } from './watch-lines.js';
import { EMPTY, reduce, render, type WatchState } from './watch-view.js';

/** How long an end must stand: a server first repeats its finished runs, then the one under way. */
const SETTLE_MS = 250;

export interface WatchMode {
  /** events as JSON instead of a view */
  readonly json: boolean;
  /** the state after the first tick, then stop */
  readonly once: boolean;
  /** go on after a run's end */
  readonly follow: boolean;
}

/** Turns events into output: pictures on a terminal, lines elsewhere; knows when there is no more to wait for. */
export class Watcher {
  /** resolves when the mode asks for no further events */
  readonly finished: Promise<void>;
  #finish: () => void = () => undefined;
  #mode: WatchMode;
  #out: Terminal;
  #color: boolean;
  #screen: Screen | null;
  #state: WatchState = EMPTY;
  #settling: NodeJS.Timeout | undefined;

  constructor(mode: WatchMode, out: Terminal, env: NodeJS.ProcessEnv) {
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    const isScreen = out.isTTY === true && env.TERM !== 'dumb';
    this.#mode = mode;
    this.#out = out;
    this.#color = isScreen && !env.NO_COLOR;
    this.#screen = isScreen && !mode.json && !mode.once ? new Screen(out) : null;
  }

  /** True when what was asked for has been seen. */
  get isDone(): boolean {
    const { tick, end } = this.#state;
    return this.#mode.once ? tick !== null || end !== null : end !== null && !this.#mode.follow;
  }

  event(event: GuardEvent): void {
    const before = this.#state;
    this.#state = reduce(before, event);
    if (this.#mode.json) {
      this.#out.write(`${jsonLine(event)}\n`);
    } else if (this.#screen) {
      this.redraw();
    } else if (!this.#mode.once) {
      this.#log(before, event);
    }
    if (this.isDone && this.#settling === undefined) {
      this.#settling = setTimeout(() => {
        this.#settling = undefined;
        if (this.isDone) {
          this.#finish();
        }
      }, SETTLE_MS);
    }
  }

  redraw(): void {
    this.#screen?.draw(() => this.#picture());
  }

  resized(): void {
    this.#screen?.resized();
    this.redraw();
  }

  /** Writes what is left to be written and gives the terminal back. */
  close(): void {
    clearTimeout(this.#settling);
    this.#screen?.close();
    if (this.#mode.once && !this.#mode.json && this.isDone) {
      this.#out.write(`${this.#picture().join('\n')}\n`);
    }
  }

  #picture(): string[] {
    return render(this.#state, { columns: this.#out.columns ?? 80, color: this.#color });
  }

  #log(before: WatchState, event: GuardEvent): void {
    const after = this.#state;
    if (event.run !== after.run) {
      if (!before.others.has(event.run)) {
        this.#out.write(
          `other    run ${plain(event.run)} is on this server too (add ?run=NAME to the address)\n`,
        );
      }
      return;
    }
    const line = isRepeated(before, after, event) ? null : eventLine(event);
    if (line !== null) {
      this.#out.write(`${line}\n`);
    }
  }
}

/** A server repeats the newest events to whoever connects again. */
function isRepeated(before: WatchState, after: WatchState, event: GuardEvent): boolean {
  if (before.run !== event.run) {
    return false;
  }
  switch (event.event) {
    case 'hello':
      return before.hello?.time === event.time;
    case 'tick':
      return after.tick === before.tick;
    case 'alert':
      return after.alerts === before.alerts;
    case 'steer':
      return JSON.stringify(before.steer) === JSON.stringify(event);
    default:
      return false;
  }
}
