import { type Measured, Series } from './series.js';

/** Where an accuracy after merging comes from, the truest first. */
export const SOURCES = ['merge probe', 'self-probe', 'prediction'] as const;
export type Source = (typeof SOURCES)[number];

/** What became known since the last time; null: nothing new. */
export interface Measurements {
  /** of the run */
  readonly step: number;
  /** raw accuracy of really merged models, mean over all pairs */
  readonly mergeProbe: Measured | null;
  /** merged models are evaluated in this run, though no mean may be there yet */
  readonly hasMergeProbes: boolean;
  /** raw accuracy at the scaled weights of the self-probe */
  readonly selfProbe: Measured | null;
  /** predicted raw accuracy after merging, mean over all pairs */
  readonly prediction: Measured | null;
  /** accuracy of the live model by itself */
  readonly own: Measured | null;
  /** share of plain step time that the terms cost where they are in force */
  readonly stepCost: number | null;
}

/** Measurements of the true kind before it is the judge of a comparison. */
const FEWEST = 4;
/** How many times longer than the next best kind is waited for. */
const PATIENCE = 3;

/** What a run has measured of how it merges. */
export class Truth {
  readonly #insistsOnMerges: boolean;
  #hasMergeProbes = false;
  readonly own = new Series();
  readonly #merged: Record<Source, Series> = {
    'merge probe': new Series(),
    'self-probe': new Series(),
    prediction: new Series(),
  };

  /** @param insistsOnMerges in a run with merge probes nothing else is the judge, however long they take */
  constructor(insistsOnMerges: boolean) {
    this.#insistsOnMerges = insistsOnMerges;
  }

  /** @returns the kinds that have a new value */
  add({ mergeProbe, hasMergeProbes, selfProbe, prediction, own }: Measurements): Source[] {
    this.#hasMergeProbes ||= hasMergeProbes;
    const given: [Source, Measured | null][] = [
      ['merge probe', mergeProbe],
      ['self-probe', selfProbe],
      ['prediction', prediction],
    ];
    if (own !== null) {
      this.own.add(own);
    }
    return given.flatMap(([source, point]) => {
      const before = this.#merged[source].last;
      if (point !== null) {
        this.#merged[source].add(point);
      }
      return this.#merged[source].last === before ? [] : [source];
    });
  }

  of(source: Source, after: number): Measured[] {
    return this.#merged[source].after(after);
  }

  /**
   * The truest kind with enough measurements after this step: `enough` of any, and a few of it. Null while that is not so, or while
   * a truer one has begun and is worth waiting for.
   */
  judge(after: number, enough: number): Source | null {
    for (const [rank, source] of SOURCES.entries()) {
      const count = this.of(source, after).length;
      const others = SOURCES.slice(rank + 1).map((other) => this.of(other, after).length);
      const most = Math.max(count, ...others);
      if (count >= Math.min(FEWEST, enough) && most >= enough) {
        return source;
      }
      const isInsistedOn = this.#insistsOnMerges && this.#hasMergeProbes;
      if (isInsistedOn || (count > 0 && most < PATIENCE * enough)) {
        return null;
      }
    }
    return null;
  }
}
