import type { TickStatistics } from './statistics.js';

/** One kind of measurement on calibration samples, in pieces that take about one forward pass or gradient each. */
export interface FunctionalPart {
  /** pieces in one measurement */
  readonly count: number;
  /** see Pieces.begin; `piece` is 0..count - 1 */
  begin(piece: number, step: number): Promise<() => void>;
  /** Does one piece and forgets it: to see what it costs. Only where there are pieces. */
  rehearse(): Promise<void>;
  /** Puts the last numbers into a tick's statistics, with the oldest one's step, or why they are not there. */
  fill(statistics: TickStatistics): void;
  dispose(): void;
}
