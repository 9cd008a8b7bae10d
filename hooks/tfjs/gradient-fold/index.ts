import type { FoldSources, GradientFold } from './gradient-fold.js';
import { PlainFold } from './plain-fold.js';

export * from './gradient-fold.js';

/** A way of folding, by its name. */
export interface FoldWay {
  readonly name: string;
  make(sources: FoldSources): GradientFold;
}

/** The ways that the active backend has: the fastest first, the plain one last. */
export function foldWays(): readonly FoldWay[] {
  return [{ name: 'plain', make: (sources) => new PlainFold(sources) }];
}

export function gradientFold(sources: FoldSources): GradientFold {
  return foldWays()[0].make(sources);
}
