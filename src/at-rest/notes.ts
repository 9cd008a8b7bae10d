import { SIDE, SIDE_WIDTH } from '../metrics/index.js';
import type { ComparedPair } from './compared-pair.js';
import type { ModelAtRest } from './model.js';

/** What a reader of the numbers should know, a sentence each. */
export function notesOf(
  models: readonly ModelAtRest[],
  pairs: readonly ComparedPair[],
  precise: boolean,
): string[] {
  const notes: string[] = [];
  const stored = models.filter(({ kind }) => kind === 'reference').map(({ name }) => name);
  if (precise && stored.length > 0) {
    notes.push(
      `reference files hold float32 or float16: the figures of ${stored.join(', ')} are no more precise than that; give the checkpoints instead`,
    );
  }
  for (const [{ name }, norms] of normsOf(pairs)) {
    const broken = [...norms].filter(([, norm]) => !Number.isFinite(norm)).map(([tensor]) => tensor);
    if (broken.length > 0) {
      const more = broken.length > 1 ? ` and ${broken.length - 1} more` : '';
      notes.push(
        `${name} minus the base is NaN or infinite in ${broken[0]}${more}: metrics that take every tensor are null`,
      );
    } else if ([...norms.values()].every((norm) => norm === 0)) {
      notes.push(`${name} is the base, unchanged: it has no task vector to compare`);
    }
  }
  return notes;
}

/** ‖tau‖² of every model and tensor. */
function normsOf(pairs: readonly ComparedPair[]): Map<ModelAtRest, Map<string, number>> {
  const norms = new Map<ModelAtRest, Map<string, number>>();
  for (const { a, b, statistics } of pairs) {
    for (const [model, side] of [
      [a, statistics.live],
      [b, statistics.ref],
    ] as const) {
      if (!norms.has(model)) {
        const at = (t: number) => side[t * SIDE_WIDTH + SIDE.tauNorm]!;
        norms.set(model, new Map(statistics.tensors.map(({ name }, t) => [name, at(t)])));
      }
    }
  }
  return norms;
}
