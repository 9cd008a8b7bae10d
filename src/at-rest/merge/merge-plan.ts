import { elementCount, formatShape, isHead } from '../../tensors/index.js';
import { shareTensors } from '../compare-models.js';
import type { ModelAtRest } from '../model.js';
import type { Excluded, NamedCheckpoint } from '../named-checkpoint.js';
import type { SharedTensor } from '../shared-tensors.js';
import { tiedTensors } from '../tied.js';

/** What becomes of every tensor of the base, and of those that only models hold. Names are canonical. */
export interface MergePlan {
  /** merged, each weight once: of tied tensors the first */
  readonly merged: readonly SharedTensor[];
  /** name -> the merged tensor whose values it gets, being one weight with it */
  readonly tied: ReadonlyMap<string, string>;
  /** one weight with another in the base, and no longer, where one of the two is merged: name -> the other's */
  readonly apart: ReadonlyMap<string, string>;
  /** written as they are in the base, and why */
  readonly copied: readonly Excluded[];
  /** not written, since the base does not hold them */
  readonly left: readonly Excluded[];
  /** fraction of the base's parameters that is merged, tied ones included */
  readonly share: number;
}

/** @throws MergeguardError where the models do not fit the base, see `sharedTensors` */
export async function planMerge(
  base: NamedCheckpoint,
  models: readonly ModelAtRest[],
  heads: readonly string[],
): Promise<MergePlan> {
  const { tensors: merged, coverage, tied } = await shareTensors(base, models, heads);
  const excluded = coverage.excluded.filter(({ name }) => !tied.has(name));
  const followers = new Map(tied);
  for (const { name } of excluded) {
    const first = isHead(name, heads) ? null : await weightOf(name, base, models, merged);
    if (first !== null) {
      followers.set(name, first);
    }
  }
  const more = [...followers.keys()].filter((name) => !tied.has(name));
  const others = excluded.filter(({ name }) => !followers.has(name));
  return {
    merged,
    tied: followers,
    apart: await takenApart(base, merged, followers),
    copied: others.filter(({ name }) => base.originals.has(name)),
    left: others.filter(({ name }) => !base.originals.has(name)),
    share: coverage.parameters + sizeOf(base, more) / Math.max(1, sizeOf(base, base.shapes.keys())),
  };
}

/** What the base has as one weight and the merge does not; what is not merged in either place stays one. */
async function takenApart(
  base: NamedCheckpoint,
  merged: readonly SharedTensor[],
  followers: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const names = new Set(merged.map(({ name }) => name));
  const all = [...base.shapes].map(([name, shape]) => ({ name, shape }));
  const pairs = [...(await tiedTensors(base, [], all))];
  return new Map(
    pairs.filter(([name, first]) => {
      const isStillTied = followers.get(name) === first || followers.get(first) === name;
      return !isStillTied && (names.has(name) || names.has(first));
    }),
  );
}

function sizeOf(base: NamedCheckpoint, names: Iterable<string>): number {
  let size = 0;
  for (const name of names) {
    size += elementCount(base.shapes.get(name)!);
  }
  return size;
}

/**
 * The merged tensor that a matrix is one weight with which some models do not hold: a tied embedding is saved once by some programs
 * and twice by others. Null where there is none, or more than one that it may be.
 */
async function weightOf(
  name: string,
  base: NamedCheckpoint,
  models: readonly ModelAtRest[],
  merged: readonly SharedTensor[],
): Promise<string | null> {
  const shape = base.shapes.get(name);
  const holders = models.filter((model) => model.shapes.has(name));
  const fits = (other: readonly number[] | undefined) =>
    shape !== undefined && other !== undefined && formatShape(other) === formatShape(shape);
  if (shape === undefined || !holders.every((model) => fits(model.shapes.get(name)))) {
    return null;
  }
  const found: string[] = [];
  for (const tensor of merged.filter((each) => fits(each.shape))) {
    const pair = await tiedTensors(base, holders, [tensor, { name, shape }]);
    if (pair.has(name)) {
      found.push(tensor.name);
    }
  }
  return found.length === 1 ? found[0]! : null;
}
