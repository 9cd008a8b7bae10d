import type { SingleBar } from 'cli-progress';
import { barOn } from './bar.js';
import type { Terminal } from './screen.js';
import { pad, plain } from './text.js';

export interface WorkStep {
  readonly done: number;
  readonly total: number;
  /** what was just done; defaults to nothing */
  readonly label?: string;
}

/** How far some work is and how long it will still take: a bar in place on a terminal, elsewhere a line every 10 %. */
export class WorkProgress {
  readonly #err: Terminal & NodeJS.WritableStream;
  readonly #count: (done: number, total: number) => string;
  readonly #bar: SingleBar | null;
  readonly #began = performance.now();
  #started = false;
  /** tenths that have been written */
  #tenths = 0;

  /** `count` says in words how much is done, e.g. "3 of 12 fits" */
  constructor(err: Terminal & NodeJS.WritableStream, count: (done: number, total: number) => string) {
    this.#err = err;
    this.#count = count;
    this.#bar = err.isTTY ? barOn(err, '  {bar} {percentage} %  {left}  {label}') : null;
  }

  show({ done, total, label = '' }: WorkStep): void {
    const left = timeLeft(done, total, (performance.now() - this.#began) / 1000);
    const tenths = Math.floor((10 * done) / total);
    if (this.#bar) {
      const payload = { left: pad(left, 16), label: pad(plain(label), 40) };
      if (this.#started) {
        this.#bar.update(done, payload);
      } else {
        this.#bar.start(total, done, payload);
      }
      this.#started = true;
    } else if (tenths > this.#tenths) {
      this.#tenths = tenths;
      const line = [`${10 * tenths} %: ${this.#count(done, total)}`, ...(done < total ? [left] : [])].join(
        ', ',
      );
      this.#err.write(`  ${line}\n`);
    }
  }

  /** Takes the bar away and gives the terminal back. */
  close(): void {
    this.#bar?.stop();
  }
}

/** "1 min 20 s left", as if the rest took as long as what is done. */
export function timeLeft(done: number, total: number, elapsedSeconds: number): string {
  return done === 0 ? '' : `${duration((elapsedSeconds / done) * (total - done))} left`;
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return minutes === 0 ? `${whole} s` : `${minutes} min ${whole % 60} s`;
}
