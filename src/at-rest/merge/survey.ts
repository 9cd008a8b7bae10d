import type { Survey } from '../../merging/index.js';
import type { ModelAtRest } from '../model.js';
import type { NamedCheckpoint } from '../named-checkpoint.js';
import { readStretch, tensorToMerge } from './read-stretch.js';
import type { Stretch } from './stretches.js';

export interface Surveyed {
  readonly base: NamedCheckpoint;
  readonly models: readonly ModelAtRest[];
  readonly stretches: readonly Stretch[];
  readonly needsBase: boolean;
  readonly onStretch: (stretch: Stretch) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a method must know of all tensors, in as many passes over the files as it takes; one stretch is read ahead. */
export async function surveyFiles(
  survey: Survey<unknown>,
  { base, models, stretches, needsBase, onStretch, signal }: Surveyed,
): Promise<unknown> {
  const read = (at: number) => {
    const reading = readStretch(stretches[at]!, base, models, needsBase);
    // It may fail while the one before is still looked at; it is awaited all the same.
    reading.catch(() => undefined);
    return reading;
  };
  for (let pass = 0; pass < survey.passes; pass++) {
    let next = read(0);
    for (const [at, stretch] of stretches.entries()) {
      signal?.throwIfAborted();
      const values = await next;
      if (at + 1 < stretches.length) {
        next = read(at + 1);
      }
      survey.visit(tensorToMerge(stretch, values), pass);
      onStretch(stretch);
    }
  }
  return survey.result();
}
