import type { FunctionalPart } from './functional-part.js';
import type { Pieces } from './slow-task.js';
import type { TickStatistics } from './statistics.js';

/** All that is measured on calibration samples, in turn, as one measurement. */
export class FunctionalProbe implements Pieces {
  readonly count: number;
  /** everything is done on the training's thread */
  readonly threadMs = 0;
  readonly #parts: readonly FunctionalPart[];
  readonly #pieces: readonly { readonly part: FunctionalPart; readonly piece: number }[];
  #next = 0;

  constructor(parts: readonly FunctionalPart[]) {
    this.#parts = parts;
    this.#pieces = parts.flatMap((part) =>
      Array.from({ length: part.count }, (_, piece) => ({ part, piece })),
    );
    this.count = this.#pieces.length;
  }

  get midway(): boolean {
    return this.#next > 0;
  }

  restart(): void {
    this.#next = 0;
  }

  begin(step: number): Promise<() => void> {
    const { part, piece } = this.#pieces[this.#next];
    this.#next = (this.#next + 1) % this.count;
    return part.begin(piece, step);
  }

  /** One piece of each kind. */
  async rehearse(): Promise<number> {
    const present = this.#parts.filter(({ count }) => count > 0);
    for (const part of present) {
      await part.rehearse();
    }
    return present.length;
  }

  fill(statistics: TickStatistics): void {
    for (const part of this.#parts) {
      part.fill(statistics);
    }
  }

  dispose(): void {
    for (const part of this.#parts) {
      part.dispose();
    }
  }
}
