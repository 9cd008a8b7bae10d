import type { SingleBar } from 'cli-progress';
import { barOn } from './bar.js';
import type { Terminal } from './screen.js';
import { pad, plain } from './text.js';

export interface FitStep {
  readonly done: number;
  readonly total: number;
  /** the fit that was just made */
  readonly label: string;
}

/** How far a fit is and how long it will still take: a bar in place on a terminal, elsewhere a line every 10 %. */
export class FitProgress {
  readonly #err: Terminal & NodeJS.WritableStream;
  readonly #bar: SingleBar | null;
  readonly #began = performance.now();
  #started = false;
  /** tenths that have been written */
  #tenths = 0;

  constructor(err: Terminal & NodeJS.WritableStream) {
    this.#err = err;
    this.#bar = err.isTTY ? barOn(err, '  {bar} {percentage} %  {left}  {label}') : null;
  }

  show({ done, total, label }: FitStep): void {
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
      const line = [`${10 * tenths} %: ${done} of ${total} fits`, ...(done < total ? [left] : [])].join(', ');
      this.#err.write(`  ${line}\n`);
    }
  }

  /** Takes the bar away and gives the terminal back. */
  close(): void {
    this.#bar?.stop();
  }
}

/** "1 min 20 s left", as if every fit took as long as those that are made. */
export function timeLeft(done: number, total: number, elapsedSeconds: number): string {
  return done === 0 ? '' : `${duration((elapsedSeconds / done) * (total - done))} left`;
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return minutes === 0 ? `${whole} s` : `${minutes} min ${whole % 60} s`;
}
