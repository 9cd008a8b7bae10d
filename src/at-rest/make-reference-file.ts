import {
  type Description,
  type Factors,
  float16Error,
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
import { tensorParts } from './tensor-parts.js';
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
 * small), never the whole task vector. The task vector is computed twice, first for what is kept of it and then to be
 * written, so that it need not be kept in between.
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

/** What is kept of every tensor beside the task vector. */
async function keep(
  tensors: readonly SharedTensor[],
  model: ModelAtRest,
  base: NamedCheckpoint,
  workers: Workers,
  { dtype = 'F32', name: called, onProgress }: MakeReferenceFileOptions,
): Promise<Kept> {
  const norms = new Float64Array(tensors.length);
  const subspaces = new Map<string, Subspace>();
  const spectra = new Map<string, Float64Array>();
  const bottoms = new Map<string, HostTensor>();
  const factors = new Map<string, Factors>();
  const problems: string[] = [];
  const bytes = ({ shape }: SharedTensor) => 2 * 4 * elementCount(shape);
  const total = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const budget = Math.max(LEAST_MEMORY, ...tensors.map(bytes));
  let done = 0;
  await mapWithin(tensors, { budget, weight: bytes }, async (tensor, t) => {
    const { name, shape } = tensor;
    const form = model.form(name);
    if (form === 'dense') {
      const tau = (await model.tau(name, undefined, () => base.read(name))) as Float32Array;
      const broken = brokenIn(tau);
      norms[t] = squaredNorm(tau);
      if (broken > 0) {
        problems.push(`${name}: ${broken} of ${tau.length} values are NaN or infinite`);
      } else if (dtype === 'F16') {
        const problem = float16Error(name, tau);
        if (problem !== null) problems.push(problem);
      }
    }
    if (form === 'low-rank') {
      const { rank, left, right } = await model.factors(name);
      const broken = brokenIn(left) + brokenIn(right);
      if (broken > 0) {
        problems.push(`${name}: ${broken} of ${left.length + right.length} values are NaN or infinite`);
        return;
      }
      factors.set(name, {
        left: { shape: [shape[0]!, rank], data: Float32Array.from(left) },
        right: { shape: [rank, shape[1]!], data: Float32Array.from(right) },
      });
      norms[t] = lowRankNorm({ rank, left, right });
    }
    const settings = { slow: true, precise: false };
    const parts = shape.length === 2 ? await tensorParts(tensor, model, base, workers, settings) : null;
    if (parts !== null) {
      const stored = keptParts(shape as [number, number], parts);
      subspaces.set(name, stored.subspace);
      spectra.set(name, stored.spectrum);
      if (stored.bottom !== null) bottoms.set(name, stored.bottom);
    }
    done += elementCount(shape);
    onProgress?.(done, total);
  });
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`the reference ${called ?? model.name} can't be made:`, problems));
  }
  return { norms, subspaces, spectra, bottoms, factors };
}

function squaredNorm(values: Values): number {
  let sum = 0;
  for (const value of values) {
    sum += value * value;
  }
  return sum;
}

function brokenIn(values: Values): number {
  return values.filter((value) => !Number.isFinite(value)).length;
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
        const broken = brokenIn(data);
        if (broken > 0) problems.push(`${name}: ${broken} of ${data.length} values are NaN or infinite`);
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
