/** The part of a terminal that is written to; `process.stdout` is one. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const HIDE = '\u001b[?25l\u001b[?7l';
const SHOW = '\u001b[?7h\u001b[?25h';
const DRAW_EVERY_MS = 100;

/**
 * Draws lines in place, at most ten times a second: each picture overwrites the one before. While it draws,
 * the cursor is hidden and long lines are not wrapped, since a wrapped line would shift all below it.
 */
export class Screen {
  #terminal: Terminal;
  #height = 0;
  #shown = false;
  #timer: NodeJS.Timeout | undefined;
  #picture: (() => string[]) | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Asks for a picture; it is made when it is drawn. */
  draw(picture: () => string[]): void {
    this.#picture = picture;
    if (this.#timer === undefined) {
      this.#flush();
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        if (this.#picture !== undefined) {
          this.draw(this.#picture);
        }
      }, DRAW_EVERY_MS);
    }
  }

  /** Draws what is still to be drawn and gives the terminal back as it was. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flush();
    if (this.#shown) {
      this.#shown = false;
      this.#terminal.write(SHOW);
    }
  }

  /** After the terminal changed its size nothing is where it was: starts on a cleared screen. */
  resized(): void {
    if (this.#shown) {
      this.#height = 0;
      this.#terminal.write('\u001b[2J\u001b[H');
    }
  }

  #flush(): void {
    if (this.#picture === undefined) {
      return;
    }
    const room = Math.max(1, (this.#terminal.rows ?? 24) - 1);
    const lines = this.#picture().slice(0, room);
    this.#picture = undefined;
    const up = this.#height > 0 ? `\u001b[${this.#height}A` : '';
    const text = lines.map((line) => `\u001b[2K${line}\n`).join('');
    this.#terminal.write(`${this.#shown ? '' : HIDE}${up}\r${text}\u001b[J`);
    this.#shown = true;
    this.#height = lines.length;
  }
}
