import {
  elementCount,
  formatShape,
  isHead,
  listProblems,
  MergeguardError,
  nearest,
  type Shapes,
  someOf,
} from '../tensors/index.js';
import type { ModelAtRest } from './model.js';
import type { Excluded, NamedCheckpoint } from './named-checkpoint.js';

/** How much of the models is compared. */
export interface Coverage {
  /** tensors that are compared; those tied to another count in `parameters` only */
  readonly matched: number;
  /** tensors of the base and of the models, by name */
  readonly total: number;
  /** fraction of the base's parameters that the matched tensors hold */
  readonly parameters: number;
  /** what is left out, and why */
  readonly excluded: readonly Excluded[];
}

export interface SharedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Sharing {
  readonly tensors: readonly SharedTensor[];
  readonly coverage: Coverage;
}

/** A comparison of less than this share of the parameters is refused. */
const LEAST_COVERAGE = 0.5;
/** Names that are looked up for a nearest one: each look-up goes through all names. */
const MOST_SUGGESTIONS = 20;
/** Models that a reason names. */
const MOST_NAMES = 3;

/**
 * The tensors that the base and every model hold in one shape. A tensor that the base holds is shared whatever it is called: a head that
 * comes with the base is merged like everything else, one that does not is in no base or has another shape.
 *
 * @param heads names, or first parts of names, that are left out all the same
 * @throws MergeguardError where under half of the parameters match, with what does not and the nearest names
 */
export function sharedTensors(
  base: NamedCheckpoint | null,
  models: readonly ModelAtRest[],
  heads: readonly string[],
): Sharing {
  const baseShapes = base?.shapes ?? models[0]!.shapes;
  checkHeads(heads, [baseShapes, ...models.map(({ shapes }) => shapes)]);
  const against = againstWhat(base, models);
  const excluded = new Map<string, string>();
  const tensors: SharedTensor[] = [];
  let total = 0;
  let matched = 0;
  for (const [name, shape] of baseShapes) {
    const size = elementCount(shape);
    total += size;
    const reason = reasonAgainst(name, shape, models, heads, against);
    if (reason === null) {
      tensors.push({ name, shape });
      matched += size;
    } else {
      excluded.set(name, reason);
    }
  }
  for (const { name, reason } of base?.excluded ?? []) {
    excluded.set(name, reason);
  }
  addStrangers(models, baseShapes, excluded, against);
  const parameters = total > 0 ? matched / total : 0;
  const coverage: Coverage = {
    matched: tensors.length,
    total: tensors.length + excluded.size,
    parameters,
    excluded: [...excluded].map(([name, reason]) => ({ name, reason })),
  };
  if (!(parameters >= LEAST_COVERAGE)) {
    throw new MergeguardError(tooLittle(coverage, base, models));
  }
  return { tensors, coverage };
}

/** What messages call the side that tensors are looked up in: without a base it is the first model. */
function againstWhat(base: NamedCheckpoint | null, models: readonly ModelAtRest[]): string {
  return base === null ? models[0]!.name : 'the base';
}

/** @throws MergeguardError for heads that nothing is called like: a slip of the pen would leave nothing out */
function checkHeads(heads: readonly string[], shapes: readonly Shapes[]): void {
  const names = new Set(shapes.flatMap((each) => [...each.keys()]));
  const known = [...new Set([...names].map((name) => name.split('.')[0]!))];
  const problems: string[] = [];
  for (const head of heads) {
    if (![...names].some((name) => isHead(name, [head]))) {
      const meant = nearest(head, known);
      problems.push(`no tensor is called "${head}"${meant === null ? '' : `; nearest there: ${meant}`}`);
    }
  }
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('these heads can not be left out:', problems));
  }
}

/** Why a tensor of the base is not compared; null where it is. */
function reasonAgainst(
  name: string,
  shape: readonly number[],
  models: readonly ModelAtRest[],
  heads: readonly string[],
  against: string,
): string | null {
  if (isHead(name, heads)) {
    return 'task head';
  }
  const missing: string[] = [];
  for (const model of models) {
    const found = model.shapes.get(name);
    const why = model.excluded.find((each) => each.name === name)?.reason;
    if (found === undefined && why !== undefined) {
      return `in ${model.name}: ${why}`;
    }
    if (found === undefined) {
      missing.push(model.name);
    } else if (formatShape(found) !== formatShape(shape)) {
      return `${formatShape(found)} in ${model.name}, ${formatShape(shape)} in ${against}`;
    }
  }
  return missing.length > 0 ? `not in ${someOf(missing, MOST_NAMES)}` : null;
}

/** What models hold and the base does not: a head of a task's own, or a tensor that was renamed. */
function addStrangers(
  models: readonly ModelAtRest[],
  baseShapes: Shapes,
  excluded: Map<string, string>,
  against: string,
): void {
  const owners = new Map<string, string[]>();
  for (const model of models) {
    const held = [...model.shapes.keys()].map((name) => ({ name, reason: null as string | null }));
    for (const { name, reason } of [...held, ...model.excluded]) {
      if (baseShapes.has(name) || excluded.has(name)) {
        continue;
      }
      if (reason !== null) {
        excluded.set(name, reason);
      } else {
        owners.set(name, [...(owners.get(name) ?? []), model.name]);
      }
    }
  }
  const known = [...baseShapes.keys()];
  let suggestions = 0;
  for (const [name, holders] of owners) {
    suggestions += 1;
    const meant = suggestions <= MOST_SUGGESTIONS ? nearestPath(name, known) : null;
    excluded.set(
      name,
      `in ${someOf(holders, MOST_NAMES)}, not in ${against}${meant === null ? '' : ` (nearest there: ${meant})`}`,
    );
  }
}

/**
 * The known name that was most likely meant: one that ends the same (a wrapper more or less in front of it), else one that is
 * few letters away.
 */
function nearestPath(name: string, known: readonly string[]): string | null {
  const suffix = known.find((candidate) => candidate.endsWith(`.${name}`) || name.endsWith(`.${candidate}`));
  return suffix ?? nearest(name, known);
}

function tooLittle(
  { parameters, excluded }: Coverage,
  base: NamedCheckpoint | null,
  models: readonly ModelAtRest[],
): string {
  const percent = (100 * parameters).toFixed(1);
  const heading =
    `only ${percent} % of the parameters of ${base === null ? models[0]!.name : `the base ${base.path}`} match in ` +
    `${someOf(
      models.map(({ name }) => name),
      MOST_NAMES,
    )}, at least ${100 * LEAST_COVERAGE} % must; ` +
    'were they fine-tuned from this base, and are tensors called the same?';
  const alone = models.length > 1 ? misfits(base, models) : [];
  return listProblems(heading, [
    ...alone,
    // Renamed tensors say most: they carry the nearest name.
    ...[...excluded]
      .sort((a, b) => Number(b.reason.includes('nearest')) - Number(a.reason.includes('nearest')))
      .map(({ name, reason }) => `${name}: ${reason}`),
  ]);
}

/** Models that do not match the base even alone: leaving them out lets the others be compared. */
function misfits(base: NamedCheckpoint | null, models: readonly ModelAtRest[]): string[] {
  const baseShapes = base?.shapes ?? models[0]!.shapes;
  const lines: string[] = [];
  for (const model of models) {
    let total = 0;
    let matched = 0;
    for (const [name, shape] of baseShapes) {
      total += elementCount(shape);
      matched += reasonAgainst(name, shape, [model], [], '') === null ? elementCount(shape) : 0;
    }
    if (!(matched >= LEAST_COVERAGE * total)) {
      const percent = ((100 * matched) / total).toFixed(1);
      lines.push(`${model.name} alone matches ${percent} %: ${model.path}`);
    }
  }
  return lines;
}
