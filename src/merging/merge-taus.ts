import {
  compareTensors,
  type HostTensor,
  listProblems,
  MergeguardError,
  matchTensors,
  type NamedTensors,
  shapesOf,
} from '../tensors/index.js';
import type { MergeMethod, Parameters, TensorToMerge } from './merge-method.js';

/**
 * The merged task vector of models in memory: base + it is the merged model.
 * @param taus [k] fine-tuned minus base, with the same names and shapes
 * @param base of the same names and shapes; only methods that need it look at it
 * @throws MergeguardError with everything that keeps the models from being merged
 */
export function mergeTaus(
  method: MergeMethod,
  parameters: Parameters,
  taus: readonly NamedTensors[],
  base: NamedTensors | null,
): NamedTensors {
  checkModelCount(method, parameters, taus.length);
  checkTaus(taus);
  if (method.needsBase) {
    checkBase(method, taus[0]!, base);
  }
  const tensors = [...taus[0]!].map(
    ([name, { shape }]): TensorToMerge => ({
      name,
      shape,
      taus: taus.map((tau) => tau.get(name)!.data),
      base: method.needsBase ? base!.get(name)!.data : null,
    }),
  );
  const survey = method.survey(parameters);
  for (let pass = 0; pass < (survey?.passes ?? 0); pass++) {
    for (const tensor of tensors) {
      survey!.visit(tensor, pass);
    }
  }
  const known = survey?.result() ?? null;
  const merged = new Map<string, HostTensor>();
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    merged.set(name, { shape, data: method.mergeTensor(tensor, parameters, known) });
  }
  return merged;
}

/** @throws MergeguardError where the method can not merge so many */
export function checkModelCount(method: MergeMethod, parameters: Parameters, count: number): void {
  const { least, most } = method.models(parameters);
  if (count < least || count > most) {
    const wanted = least === most ? `exactly ${least}` : `at least ${least}`;
    throw new MergeguardError(`${method.name} merges ${wanted} models here, got ${count}`);
  }
}

/** Throws unless all task vectors have the same tensors, all finite; lists every problem. */
function checkTaus(taus: readonly NamedTensors[]): void {
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

function checkBase(method: MergeMethod, tau: NamedTensors, base: NamedTensors | null): void {
  if (base === null) {
    throw new MergeguardError(`${method.name} merges weights, not task vectors alone: give it the base too`);
  }
  compareTensors(shapesOf(base), shapesOf(tau), {
    what: 'the task vectors',
    against: 'the base',
    advice: 'were they taken from another base?',
  });
}
