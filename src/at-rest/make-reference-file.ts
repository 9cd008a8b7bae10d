import {
  type Description,
  type Factors,
  float16Error,
  type KeptParts,
  keptParts,
  type ReferenceContents,
  type ReferenceParts,
  referenceLimits,
  type Subspace,
  type TauDtype,
  writeReferenceParts,
} from '../reference/index.js';
import {
  DEFAULT_HEADS,
  elementCount,
  formatShape,
  type HostTensor,
  identityOrder,
  isHead,
  type LazyTensor,
  listProblems,
  MergeguardError,
  squaredNorm,
} from '../tensors/index.js';
import { mapWithin } from '../threads/index.js';
import { readCalibration } from './calibration-file.js';
import { hashOf, shareTensors } from './compare-models.js';
import { checkModelFiles, type Finding } from './compatibility/index.js';
import { lowRankNorm } from './low-rank-sums.js';
import type { ModelAtRest } from './model.js';
import { modelPaths } from './model-paths.js';
import { NamedCheckpoint, type Values } from './named-checkpoint.js';
import { openModels } from './open-models.js';
import type { Coverage, SharedTensor } from './shared-tensors.js';
import { denseParts, factorParts } from './tensor-parts.js';
import { Workers } from './workers.js';

export interface MakeReferenceFileOptions {
  readonly base: string;
  /** a fine-tuned checkpoint or a LoRA adapter */
  readonly model: string;
  readonly out: string;
  /** defaults to the model's stem */
  readonly name?: string | undefined;
  /** path of a file with calibration samples, see `readCalibration`; defaults to none */
  readonly calibration?: string | undefined;
  /** of the task vector; defaults to F32 */
  readonly dtype?: TauDtype | undefined;
  /** names, or first parts of names, that are left out although the base holds them; defaults to none */
  readonly heads?: readonly string[];
  /** defaults to one a core */
  readonly threads?: number | undefined;
  /** more of its provenance, for `madeBy` */
  readonly madeBy?: Readonly<Record<string, unknown>>;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** what configuration files beside the checkpoints say, before any tensor is read */
  readonly onFindings?: (findings: readonly Finding[]) => void;
  /** stops the work, which then throws its reason and leaves no file; defaults to none */
  readonly signal?: AbortSignal | undefined;
}

export interface MadeReference {
  readonly description: Description;
  readonly coverage: Coverage;
  readonly limits: readonly string[];
}

/** Bytes of tensors in memory at a time, where the two largest together are less. */
const LEAST_MEMORY = 64 << 20;

/**
 * Makes a reference file from checkpoints, tensor by tensor: base and model of one tensor at a time (of several while they are
 * small), never the whole task vector. Every task vector is computed twice, first for its norm and decomposition and
 * then to be written, so that it need not be kept in between.
 * @throws MergeguardError for models that do not fit, with every tensor that is NaN or infinite, or too small for float16
 */
export async function makeReferenceFile(options: MakeReferenceFileOptions): Promise<MadeReference> {
  const open: { close(): Promise<void> }[] = [];
  try {
    const calibration = options.calibration === undefined ? null : await readCalibration(options.calibration);
    const paths = await modelPaths([options.model], options.base, options.model);
    options.onFindings?.(await checkModelFiles({ name: 'the base', path: options.base }, paths));
    const base = await NamedCheckpoint.open(options.base, false, options.signal);
    open.push(base);
    const models = await openModels(paths, base, false);
    open.push(...models);
    const model = models[0]!;
    if (model.kind === 'reference') {
      throw new MergeguardError(
        `${options.model} is a reference already; give the checkpoint it is to be made from`,
      );
    }
    const { tensors: shared, coverage } = await shareTensors(base, [model], options.heads ?? []);
    const places = new Map(shared.map((tensor) => [tensor.name, tensor]));
    const tensors = identityOrder(places.keys()).map((name) => places.get(name)!);
    const workers = new Workers(options.threads, options.signal);
    open.push(workers);
    const kept = await keep(tensors, model, base, workers, options);
    const description: Description = {
      name: options.name ?? model.name,
      baseHash: await hashOf(
        base,
        tensors.map(({ name }) => name),
      ),
      tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
      gradientRecipe: null,
      accuracy: null,
      loss: null,
      tensorMap: Object.fromEntries(Object.entries(base.renamed).filter(([name]) => places.has(name))),
      madeBy: { kind: model.kind, dtype: options.dtype ?? 'F32', ...options.madeBy },
    };
    const head = await headOf(model, base, options.heads);
    const reference = { description, ...kept, head, gradient: null, inputGradient: null, calibration };
    await writeReferenceParts(options.out, { ...reference, tau: lazyTau(tensors, model, base, options) });
    const contents: ReferenceContents = { ...description, ...reference };
    return { description, coverage, limits: referenceLimits(contents) };
  } catch (error) {
    // What the closed workers left undone is no failure of theirs.
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await Promise.all(open.map((each) => each.close()));
  }
}

type Kept = Pick<ReferenceParts, 'norms' | 'subspaces' | 'spectra' | 'bottoms' | 'factors'>;

/** What is kept of one tensor beside the task vector. */
interface KeptTensor {
  readonly norm: number;
  /** null for what is no matrix, or one of zeros */
  readonly parts: KeptParts | null;
  /** of a tensor of low rank */
  readonly factors?: Factors;
}

/** Why a tensor can not be kept, in place of what is. */
interface Refused {
  readonly problem: string;
}

const SETTINGS = { slow: true, precise: false };

/** What is kept of every tensor beside the task vector. */
async function keep(
  tensors: readonly SharedTensor[],
  model: ModelAtRest,
  base: NamedCheckpoint,
  workers: Workers,
  { dtype = 'F32', name: called, onProgress }: MakeReferenceFileOptions,
): Promise<Kept> {
  const bytes = ({ shape }: SharedTensor) => 2 * 4 * elementCount(shape);
  const total = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const budget = Math.max(LEAST_MEMORY, ...tensors.map(bytes));
  let done = 0;
  const kept = await mapWithin(tensors, { budget, weight: bytes }, async (tensor) => {
    const form = model.form(tensor.name);
    let found: KeptTensor | Refused = { norm: 0, parts: null };
    if (form === 'dense') {
      found = await keepDense(tensor, model, base, workers, dtype);
    } else if (form === 'low-rank') {
      found = await keepLowRank(tensor, model);
    }
    done += elementCount(tensor.shape);
    onProgress?.(done, total);
    return found;
  });
  const problems = kept.flatMap((each) => ('problem' in each ? [each.problem] : []));
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`the reference ${called ?? model.name} can't be made:`, problems));
  }
  return collect(tensors, kept as KeptTensor[]);
}

/** By part and name, as a reference has it. */
function collect(tensors: readonly SharedTensor[], kept: readonly KeptTensor[]): Kept {
  const subspaces = new Map<string, Subspace>();
  const spectra = new Map<string, Float64Array>();
  const bottoms = new Map<string, HostTensor>();
  const factors = new Map<string, Factors>();
  for (const [t, { name }] of tensors.entries()) {
    const { parts, factors: product } = kept[t]!;
    if (product !== undefined) factors.set(name, product);
    if (parts !== null) {
      subspaces.set(name, parts.subspace);
      spectra.set(name, parts.spectrum);
      if (parts.bottom !== null) bottoms.set(name, parts.bottom);
    }
  }
  return { norms: Float64Array.from(kept, ({ norm }) => norm), subspaces, spectra, bottoms, factors };
}

async function keepDense(
  tensor: SharedTensor,
  model: ModelAtRest,
  base: NamedCheckpoint,
  workers: Workers,
  dtype: TauDtype,
): Promise<KeptTensor | Refused> {
  const { name, shape } = tensor;
  const tau = (await model.tau(name, undefined, () => base.read(name))) as Float32Array;
  const problem = brokenProblem(name, [tau]) ?? (dtype === 'F16' ? float16Error(name, tau) : null);
  if (problem !== null) {
    return { problem };
  }
  const norm = squaredNorm(tau);
  // Which takes the task vector: what is asked of it was asked before.
  const parts = shape.length === 2 ? await denseParts(tau, tensor, name, workers, SETTINGS) : null;
  return { norm, parts: parts && keptParts(shape as [number, number], parts) };
}

async function keepLowRank({ name, shape }: SharedTensor, model: ModelAtRest): Promise<KeptTensor | Refused> {
  const { rank, left, right } = await model.factors(name);
  const problem = brokenProblem(name, [left, right]);
  if (problem !== null) {
    return { problem };
  }
  const parts = factorParts({ rank, left, right }, SETTINGS);
  return {
    norm: lowRankNorm({ rank, left, right }),
    parts: parts && keptParts(shape as [number, number], parts),
    factors: {
      left: { shape: [shape[0]!, rank], data: Float32Array.from(left) },
      right: { shape: [rank, shape[1]!], data: Float32Array.from(right) },
    },
  };
}

/** What of a tensor's values is not finite; null where all are. */
function brokenProblem(name: string, all: readonly Values[]): string | null {
  let [broken, total] = [0, 0];
  for (const values of all) {
    total += values.length;
    for (const value of values) {
      if (!Number.isFinite(value)) broken += 1;
    }
  }
  return broken === 0 ? null : `${name}: ${broken} of ${total} values are NaN or infinite`;
}

function lazyTau(
  tensors: readonly SharedTensor[],
  model: ModelAtRest,
  base: NamedCheckpoint,
  { dtype = 'F32' }: MakeReferenceFileOptions,
): Map<string, LazyTensor> {
  const tau = new Map<string, LazyTensor>();
  for (const { name, shape } of tensors) {
    if (model.form(name) === 'dense') {
      const load = async () => (await model.tau(name, undefined, () => base.read(name))) as Float32Array;
      tau.set(name, { dtype, shape, load });
    }
  }
  return tau;
}

/**
 * The model's own head. Heads that are given are left out of what is shared, whatever the base holds; without any it is what is
 * called like one and not held by the base in this shape: that is shared, by its own name or as one that it is tied to.
 */
async function headOf(
  model: ModelAtRest,
  base: NamedCheckpoint,
  heads: readonly string[] | undefined,
): Promise<Map<string, HostTensor> | null> {
  if (model.kind !== 'checkpoint') {
    return null;
  }
  const isOfBase = (name: string, shape: readonly number[]) => {
    const held = base.shapes.get(name);
    return held !== undefined && formatShape(held) === formatShape(shape);
  };
  const checkpoint = await NamedCheckpoint.open(model.path, false);
  try {
    const head = new Map<string, HostTensor>();
    const problems: string[] = [];
    for (const [name, shape] of checkpoint.shapes) {
      if (isHead(name, heads ?? DEFAULT_HEADS) && (heads !== undefined || !isOfBase(name, shape))) {
        const data = await checkpoint.readFloat32(name);
        const problem = brokenProblem(name, [data]);
        if (problem !== null) problems.push(problem);
        head.set(name, { shape, data });
      }
    }
    if (problems.length > 0) {
      throw new MergeguardError(listProblems(`the head of ${model.name} is broken:`, problems));
    }
    return head.size > 0 ? head : null;
  } finally {
    await checkpoint.close();
  }
}
