import type { SingleBar } from 'cli-progress';
import type { GuardEvent, ProgressEvent } from '../guard/index.js';
import { barOn } from './bar.js';
import type { Terminal } from './screen.js';
import { pad, plain } from './text.js';
import { jsonLine, probeLine } from './watch-lines.js';
import { alertLine, alertTitle, steerLine } from './watch-view.js';

const PHASE_WIDTH = 24;

/**
 * A demo's events for people on standard error: on a terminal the phase under way as a bar in place, finished
 * phases, alerts and steering as lines above it; elsewhere lines only. As JSON on standard output where asked for.
 */
export class DemoReporter {
  readonly #json: boolean;
  readonly #out: Terminal;
  readonly #err: Terminal;
  readonly #bar: SingleBar | null;
  /** the newest event of the phase under way */
  #current: ProgressEvent | null = null;

  constructor(json: boolean, out: Terminal, err: Terminal & NodeJS.WritableStream) {
    this.#json = json;
    this.#out = out;
    this.#err = err;
    // JSON lines on the same terminal would be written into the bar.
    const isScreen = err.isTTY === true && !(json && out.isTTY === true);
    this.#bar = isScreen ? barOn(err, '  {phase} {bar} {value}/{total}{loss}') : null;
  }

  show(event: GuardEvent): void {
    if (this.#json) {
      this.#out.write(`${jsonLine(event)}\n`);
    }
    if (event.event === 'progress') {
      this.#progress(event);
    } else if (event.event === 'alert') {
      // The explanations of scores are on the page and in the JSON: a dozen of them would hide what happens here.
      this.#line(event.rule === 'internal' ? alertLine(event) : alertTitle(event));
    } else if (event.event === 'steer') {
      this.#line(steerLine(event));
    } else if (event.event === 'probe') {
      this.#line(probeLine(event));
    }
  }

  /** Leaves the last phase as a line and gives the terminal back. */
  close(): void {
    this.#finishPhase();
  }

  #progress(event: ProgressEvent): void {
    if (event.phase === this.#current?.phase) {
      this.#current = event;
      this.#bar?.update(event.done, barText(event));
      return;
    }
    this.#finishPhase();
    this.#current = event;
    if (this.#bar) {
      this.#startBar();
    } else {
      this.#err.write(`  ${plain(event.phase)}${event.total > 1 ? `: ${event.total} steps` : ''}\n`);
    }
  }

  #finishPhase(): void {
    const event = this.#current;
    this.#current = null;
    if (event && this.#bar) {
      this.#bar.stop();
      const { phase, done, total } = barText(event);
      this.#err.write(`  ${phase} ${done}/${total}${barText(event).loss}\n`);
    }
  }

  #line(text: string): void {
    this.#bar?.stop();
    this.#err.write(`${this.#err.isTTY ? wrap(text, this.#err.columns ?? 80) : `  ${text}`}\n`);
    this.#startBar();
  }

  #startBar(): void {
    if (this.#bar && this.#current) {
      this.#bar.start(this.#current.total, this.#current.done, barText(this.#current));
    }
  }
}

/** Lines of at most `columns` characters, broken between words and set in by two, all but the first by ten. */
function wrap(text: string, columns: number): string {
  const lines = ['  '];
  for (const word of text.split(/(?<=\S)(?=\s)/)) {
    const last = lines[lines.length - 1];
    if (last.trim() !== '' && last.length + word.length > columns) {
      lines.push(' '.repeat(10) + word.trimStart());
    } else {
      lines[lines.length - 1] = last + word;
    }
  }
  return lines.join('\n');
}

function barText({ phase, done, total, loss }: ProgressEvent) {
  const text = loss === null || loss === undefined ? '' : `  loss ${loss.toFixed(3)}`;
  return { phase: pad(plain(phase), PHASE_WIDTH), done, total, loss: text };
}
