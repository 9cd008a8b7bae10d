import { spectralParts } from '../spectral/index.js';
import {
  baseIdentity,
  type HostTensor,
  listProblems,
  MergeguardError,
  type NamedTensors,
  squaredNorm,
  taskVector,
} from '../tensors/index.js';
import type { Calibration, Reference, ReferenceGradientRecipe, Subspace } from './reference.js';
import { keptParts } from './subspace.js';
import { referenceProblems, valueProblems } from './validate.js';

export interface ReferenceOptions {
  readonly name: string;
  /** shared tensors of the base, by canonical name; no head */
  readonly base: NamedTensors;
  /** the same tensors of the fine-tuned model */
  readonly model: NamedTensors;
  readonly head?: NamedTensors | null;
  /** mean loss gradient; needs `gradientRecipe` */
  readonly gradient?: NamedTensors | null;
  readonly gradientRecipe?: ReferenceGradientRecipe | null;
  readonly calibration?: Calibration | null;
  /** [n, ...inputs] see Reference; needs `calibration` */
  readonly inputGradient?: HostTensor | null;
  /** accuracy of the fine-tuned model on its calibration samples, a fraction 0..1 */
  readonly accuracy?: number | null;
  readonly loss?: number | null;
  /** canonical name -> name in the framework */
  readonly tensorMap?: Readonly<Record<string, string>>;
  /** provenance, values that JSON can hold */
  readonly madeBy?: Reference['madeBy'];
  /** subspace dimensions to keep; defaults to 10, as the study has it (arXiv 2601.22285) */
  readonly k?: number;
}

function refuse(what: string, problems: readonly string[]): void {
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`${what} can't be made:`, problems));
  }
}

/** What a program in plain JavaScript may get wrong, where no compiler says so. */
function kindProblems({ base, model, head, gradient, calibration }: ReferenceOptions): string[] {
  const problems: string[] = [];
  for (const [part, tensors] of Object.entries({ base, model, head, gradient })) {
    if (tensors !== undefined && tensors !== null && !(tensors instanceof Map)) {
      problems.push(`${part} is no Map from canonical names to { shape, data }, as sharedWeights gives`);
    }
  }
  if (calibration && !(calibration.labels instanceof Int32Array)) {
    problems.push('the calibration labels are no Int32Array of class numbers');
  }
  if (calibration && !(calibration.images?.data instanceof Float32Array)) {
    problems.push('the calibration images are no { shape: [N, ...], data: Float32Array }');
  }
  return problems;
}

/**
 * Makes a reference from a base and a model fine-tuned from it, both in memory (`makeReferenceFile` does it tensor by tensor, from
 * checkpoints). Decomposes every matrix: about 10 ms for 96 x 384, 0.8 s for 768 x 3072.
 * @throws MergeguardError where base and model differ in names or shapes, where values are NaN or infinite, or
 * where the parts contradict each other
 */
export function makeReference(options: ReferenceOptions): Reference {
  const { name, base, model, k = 10 } = options;
  const what = `reference "${name}"`;
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new MergeguardError(`${what} can't keep ${k} subspace dimensions; k is an integer from 1`);
  }
  refuse(what, kindProblems(options));
  // Before the subtraction, so that the message says which side is broken, and before the SVD, which needs finite values.
  refuse(what, [...valueProblems('base', base), ...valueProblems('model', model)]);
  const tau = taskVector(base, model, `the model of ${what}`);
  refuse(what, valueProblems('tau', tau));
  const tensors = [...tau].map(([key, tensor]) => ({ name: key, shape: [...tensor.shape] }));
  const subspaces = new Map<string, Subspace>();
  const spectra = new Map<string, Float64Array>();
  const bottoms = new Map<string, HostTensor>();
  for (const [key, { shape, data }] of tau) {
    if (shape.length !== 2) {
      continue;
    }
    const [rows, columns] = shape as [number, number];
    const parts = spectralParts({ rows, columns, data }, { k, bottom: true, precise: false });
    if (parts !== null) {
      const kept = keptParts([rows, columns], parts);
      subspaces.set(key, kept.subspace);
      spectra.set(key, kept.spectrum);
      if (kept.bottom !== null) {
        bottoms.set(key, kept.bottom);
      }
    }
  }
  const reference: Reference = {
    name,
    baseHash: baseIdentity(base),
    tensors,
    tau,
    norms: Float64Array.from(tensors, (tensor) => squaredNorm(tau.get(tensor.name)!.data)),
    subspaces,
    spectra,
    bottoms,
    factors: new Map(),
    gradient: options.gradient ?? null,
    gradientRecipe: options.gradientRecipe ?? null,
    head: options.head ?? null,
    calibration: options.calibration ?? null,
    inputGradient: options.inputGradient ?? null,
    accuracy: options.accuracy ?? null,
    loss: options.loss ?? null,
    tensorMap: { ...options.tensorMap },
    madeBy: { ...options.madeBy },
  };
  refuse(what, referenceProblems(reference));
  return reference;
}
