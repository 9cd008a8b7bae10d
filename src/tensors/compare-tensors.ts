import { listProblems, MergeguardError } from './errors.js';
import type { NamedTensors } from './named-tensors.js';

/** Shapes by canonical name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** A name here -> the name there, for tensors whose names differ. */
export type NameMap = Readonly<Record<string, string>>;

export interface TensorMatch {
  /** name here -> name there, of every tensor that fits */
  readonly names: ReadonlyMap<string, string>;
  /** what does not fit, a line each */
  readonly problems: readonly string[];
}

export interface CompareOptions {
  /** what `found` belongs to, e.g. `reference "eurosat"` */
  readonly what: string;
  /** what `expected` belongs to; defaults to "the live model" */
  readonly against?: string;
  /** a question or a way out, e.g. `was it fine-tuned from another base?` */
  readonly advice?: string;
  readonly map?: NameMap;
}

/** `[768, 3072]` */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

export function shapesOf(tensors: NamedTensors): Shapes {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, tensor] of tensors) {
    shapes.set(name, tensor.shape);
  }
  return shapes;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, at) => size === b[at]);
}

function mapProblems(expected: Shapes, found: Shapes, map: NameMap): string[] {
  const problems: string[] = [];
  const taken = new Map<string, string>();
  for (const [here, there] of Object.entries(map)) {
    if (!expected.has(here)) {
      problems.push(`the map names "${here}", which is not here`);
    }
    if (!found.has(there)) {
      problems.push(`the map leads "${here}" to "${there}", which is not there`);
    }
    const first = taken.get(there);
    if (first !== undefined) {
      problems.push(`the map leads both "${first}" and "${here}" to "${there}"`);
    }
    taken.set(there, here);
  }
  return problems;
}

/**
 * Matches tensors by name, or by `map` where it names them, and compares their shapes. Tensors of one shape but
 * different names never match: two layers of a transformer have the same shapes throughout.
 */
export function matchTensors(expected: Shapes, found: Shapes, map: NameMap = {}): TensorMatch {
  const names = new Map<string, string>();
  const problems = mapProblems(expected, found, map);
  // A name that the map leads to belongs to that tensor alone.
  const used = new Set<string>(Object.values(map));
  for (const [here, shape] of expected) {
    const mapped = Object.hasOwn(map, here);
    const there = mapped ? map[here]! : here;
    const other = mapped || !used.has(there) ? found.get(there) : undefined;
    if (other === undefined) {
      if (!mapped) problems.push(`${here} is ${formatShape(shape)} here, missing there`);
      continue;
    }
    used.add(there);
    if (sameShape(shape, other)) {
      names.set(here, there);
    } else {
      const label = here === there ? here : `${here} (there ${there})`;
      problems.push(`${label} is ${formatShape(other)} there, ${formatShape(shape)} here`);
    }
  }
  for (const [there, shape] of found) {
    if (!used.has(there)) problems.push(`${there} is ${formatShape(shape)} there, missing here`);
  }
  return { names, problems };
}

/**
 * The names there of the tensors here.
 * @throws MergeguardError with every missing tensor, extra tensor and shape mismatch at once
 */
export function compareTensors(
  expected: Shapes,
  found: Shapes,
  { what, against = 'the live model', advice, map }: CompareOptions,
): ReadonlyMap<string, string> {
  const { names, problems } = matchTensors(expected, found, map);
  if (problems.length > 0) {
    const way = advice ?? 'names that differ need an explicit map';
    throw new MergeguardError(listProblems(`${what} does not fit ${against}; ${way}`, problems));
  }
  return names;
}
