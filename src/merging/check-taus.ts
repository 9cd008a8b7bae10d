import {
  listProblems,
  MergeguardError,
  matchTensors,
  type NamedTensors,
  shapesOf,
} from '../tensors/index.js';

/** Throws unless there are two or more task vectors with the same tensors, all finite; lists every problem. */
export function checkTaus(taus: readonly NamedTensors[]): void {
  if (taus.length < 2) {
    throw new MergeguardError(`merging needs the task vectors of at least 2 models, got ${taus.length}`);
  }
  const problems: string[] = [];
  const expected = shapesOf(taus[0]!);
  taus.forEach((tau, i) => {
    for (const problem of matchTensors(expected, shapesOf(tau)).problems) {
      problems.push(`task vector ${i + 1}: ${problem}`);
    }
    for (const [name, { data }] of tau) {
      if (!data.every(Number.isFinite)) {
        problems.push(`task vector ${i + 1}: ${name} holds NaN or infinite values`);
      }
    }
  });
  if (problems.length > 0) {
    const heading = `the ${taus.length} task vectors can't be merged ("here" is task vector 1):`;
    throw new MergeguardError(listProblems(heading, problems));
  }
}
