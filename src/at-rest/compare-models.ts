import { computePairMetrics } from '../metrics/index.js';
import { BaseHash, identityOrder, listProblems, MergeguardError } from '../tensors/index.js';
import type { IndexPair } from './block-sums.js';
import type { ComparedPair } from './compared-pair.js';
import { checkModelFiles, type Finding } from './compatibility/index.js';
import { measurePairs } from './measure.js';
import type { ModelAtRest } from './model.js';
import type { NamedPath } from './model-paths.js';
import { NamedCheckpoint } from './named-checkpoint.js';
import { notesOf } from './notes.js';
import { openModels } from './open-models.js';
import { type Coverage, type Sharing, sharedTensors } from './shared-tensors.js';
import type { PartsSettings } from './tensor-parts.js';
import { tiedTensors } from './tied.js';
import { Workers } from './workers.js';

export interface CompareOptions extends Partial<PartsSettings> {
  /** the checkpoint that all were fine-tuned from; null where only reference files are compared */
  readonly base: string | null;
  /** names, or first parts of names, that are left out although the base holds them; defaults to none */
  readonly heads?: readonly string[];
  /** worker threads; defaults to one a core */
  readonly threads?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** what the models' configuration files say, before any tensor is read */
  readonly onFindings?: (findings: readonly Finding[]) => void;
  /** stops the comparison, which then throws its reason; defaults to none */
  readonly signal?: AbortSignal | undefined;
}

export interface Comparison {
  readonly pairs: readonly ComparedPair[];
  readonly coverage: Coverage;
  readonly findings: readonly Finding[];
  /** what a reader of the numbers should know, a sentence each */
  readonly notes: readonly string[];
}

/**
 * Compares models at rest by their weights.
 *
 * @param pairs which of them, by their places
 * @throws MergeguardError for models that can not be opened or compared, with everything that stands against it
 */
export async function compareModels(
  paths: readonly NamedPath[],
  pairs: readonly IndexPair[],
  options: CompareOptions,
): Promise<Comparison> {
  const { precise = false, signal } = options;
  const findings =
    options.base === null ? [] : await checkModelFiles({ name: 'the base', path: options.base }, paths);
  options.onFindings?.(findings);
  const open: { close(): Promise<void> }[] = [];
  try {
    const base = options.base === null ? null : await NamedCheckpoint.open(options.base, precise, signal);
    if (base !== null) open.push(base);
    const models = await openModels(paths, base, precise);
    open.push(...models);
    const sharing = await shareTensors(base, models, options.heads ?? []);
    await checkBases(base, models);
    const workers = new Workers(options.threads, signal);
    open.push(workers);
    const statistics = await measurePairs({
      base,
      models,
      pairs,
      tensors: sharing.tensors,
      workers,
      slow: options.slow ?? true,
      precise,
      onProgress: options.onProgress,
      signal,
    });
    const compared = pairs.map(([a, b], p) => ({
      a: models[a]!,
      b: models[b]!,
      metrics: computePairMetrics(statistics[p]!, 0),
      statistics: statistics[p]!,
    }));
    return {
      pairs: compared,
      coverage: sharing.coverage,
      findings,
      notes: notesOf(models, compared, precise),
    };
  } catch (error) {
    // What the closed workers left undone is no failure of theirs.
    signal?.throwIfAborted();
    throw error;
  } finally {
    await Promise.all(open.map((each) => each.close()));
  }
}

/**
 * What is compared, tied tensors counted once (`tied`: name -> the first one's): in `coverage` the later ones are `excluded` and not in `matched`, but in
 * `parameters` all the same, since what they hold is compared under the first one's name.
 */
export async function shareTensors(
  base: NamedCheckpoint | null,
  models: readonly ModelAtRest[],
  heads: readonly string[],
): Promise<Sharing & { readonly tied: ReadonlyMap<string, string> }> {
  const { tensors, coverage } = sharedTensors(base, models, heads);
  const tied = await tiedTensors(base, models, tensors);
  const excluded = [...tied].map(([name, first]) => ({ name, reason: `tied to ${first}, counted once` }));
  return {
    tensors: tensors.filter(({ name }) => !tied.has(name)),
    coverage: {
      ...coverage,
      matched: coverage.matched - tied.size,
      excluded: [...coverage.excluded, ...excluded],
    },
    tied,
  };
}

/** @throws MergeguardError where a reference was made from another base */
export async function checkBases(
  base: NamedCheckpoint | null,
  models: readonly ModelAtRest[],
): Promise<void> {
  const made = models.filter(({ baseHash }) => baseHash !== null);
  const problems: string[] = [];
  if (base === null) {
    const [first, ...others] = made;
    for (const other of others) {
      const differs = [...first!.shapes.keys(), ...other.shapes.keys()].find(
        (name) => !first!.shapes.has(name) || !other.shapes.has(name),
      );
      if (other.baseHash !== first!.baseHash && differs !== undefined) {
        problems.push(
          `${first!.name} and ${other.name} hold other tensors (${differs}), so that their bases can not be told apart: give the base with --base`,
        );
      } else if (other.baseHash !== first!.baseHash) {
        problems.push(
          `${first!.name} was made from the base ${short(first!.baseHash)}, ${other.name} from ${short(other.baseHash)}`,
        );
      }
    }
  } else {
    const known = new Map<string, string>();
    for (const model of made) {
      // References of one pool have the same tensors: their base is hashed once.
      const names = identityOrder(model.shapes.keys());
      const key = names.join('\n');
      const here = known.get(key) ?? (await hashOf(base, names));
      known.set(key, here);
      if (here !== model.baseHash) {
        problems.push(
          `${model.name} was made from another base (${short(model.baseHash)} there, ${short(here)} here)`,
        );
      }
    }
  }
  if (problems.length > 0) {
    const heading = 'these references do not belong to one base; make them again from the same one:';
    throw new MergeguardError(listProblems(heading, problems));
  }
}

function short(hash: string | null): string {
  return hash === null ? 'unknown' : hash.slice(0, 12);
}

/** Identity of the base over the named tensors, one in memory at a time. */
export async function hashOf(base: NamedCheckpoint, names: readonly string[]): Promise<string> {
  const hash = new BaseHash();
  for (const name of names) {
    const shape = base.shapes.get(name);
    if (shape !== undefined) {
      hash.add(name, { shape, data: await base.readFloat32(name) });
    }
  }
  return hash.digest();
}
