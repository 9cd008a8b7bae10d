import { formatShape, type Shapes } from '../tensors/index.js';
import type { Description, Reference } from './reference.js';

/** What can be checked of a reference without its values: which tensors there are, how large, and the norms. */
export interface Layout {
  readonly tensors: Description['tensors'];
  readonly norms: Float64Array;
  /** shapes by name, of a part as the file calls it */
  shapes(part: string): Shapes;
}

/** What messages call the two halves of a pair. */
const FACTORS = { tau_left: 'left factor', tau_right: 'right factor' };
const SUBSPACES = { left: 'left subspace', right: 'right subspace', spectrum: 'spectrum' };

export function layoutOf(reference: Reference): Layout {
  const { tau, factors, subspaces, spectra, bottoms, gradient } = reference;
  const of = <Value>(
    values: ReadonlyMap<string, Value>,
    shape: (value: Value) => readonly number[],
  ): Shapes => new Map([...values].map(([name, value]) => [name, shape(value)]));
  const parts = new Map<string, Shapes>([
    ['tau', of(tau, ({ shape }) => shape)],
    ['tau_left', of(factors, ({ left }) => left.shape)],
    ['tau_right', of(factors, ({ right }) => right.shape)],
    ['left', of(subspaces, ({ left }) => left.shape)],
    ['right', of(subspaces, ({ right }) => right.shape)],
    ['spectrum', of(spectra, ({ length }) => [length])],
    ['bottom', of(bottoms, ({ shape }) => shape)],
    ['gradient', of(gradient ?? new Map(), ({ shape }) => shape)],
  ]);
  return {
    tensors: reference.tensors,
    norms: reference.norms,
    shapes: (part) => parts.get(part) ?? new Map(),
  };
}

/** Everything in which the parts of a reference do not fit each other or its list of tensors, a line each. */
export function layoutProblems(layout: Layout): string[] {
  const shapes: Shapes = new Map(layout.tensors.map(({ name, shape }) => [name, shape]));
  return [
    ...twice(layout),
    ...wholeProblems('tau', layout, shapes),
    ...wholeProblems('gradient', layout, shapes),
    ...missingIn(FACTORS, layout),
    ...factorProblems(layout, shapes),
    ...normProblems(layout),
    ...missingIn(SUBSPACES, layout),
    ...subspaceProblems(layout, shapes),
    ...spectrumProblems(layout, shapes),
    ...bottomProblems(layout, shapes),
  ];
}

function twice({ tensors }: Layout): string[] {
  const seen = new Set<string>();
  const problems = new Set<string>();
  for (const { name } of tensors) {
    if (seen.has(name)) problems.add(`the tensor ${name} is listed twice`);
    seen.add(name);
  }
  return [...problems];
}

/** Tensors of a part that belong to no shared tensor, or to one of another shape. */
function wholeProblems(part: string, layout: Layout, shapes: Shapes): string[] {
  const problems: string[] = [];
  for (const [name, shape] of layout.shapes(part)) {
    const expected = shapes.get(name);
    if (expected === undefined) {
      problems.push(`${part} ${name} belongs to no shared tensor`);
    } else if (formatShape(expected) !== formatShape(shape)) {
      problems.push(`${part} ${name} is ${formatShape(shape)}, the tensor ${formatShape(expected)}`);
    }
  }
  return problems;
}

/** Parts that come together: what only some of them have. */
function missingIn(parts: Readonly<Record<string, string>>, layout: Layout): string[] {
  const held = Object.entries(parts).map(([part, called]) => ({ called, shapes: layout.shapes(part) }));
  const problems: string[] = [];
  for (const name of new Set(held.flatMap(({ shapes }) => [...shapes.keys()]))) {
    for (const { called, shapes } of held) {
      if (!shapes.has(name)) problems.push(`the ${called} of ${name} is missing`);
    }
  }
  return problems;
}

/** The shape of a shared tensor as messages give it. */
function called(name: string, shapes: Shapes): string {
  const shape = shapes.get(name);
  return shape === undefined
    ? `${name}, which is no shared tensor,`
    : `${name}, which is ${formatShape(shape)},`;
}

function factorProblems(layout: Layout, shapes: Shapes): string[] {
  const [lefts, rights, tau] = [layout.shapes('tau_left'), layout.shapes('tau_right'), layout.shapes('tau')];
  const problems: string[] = [];
  for (const [name, left] of lefts) {
    const right = rights.get(name);
    if (right !== undefined && !isProduct(left, right, shapes.get(name))) {
      problems.push(
        `the factors of ${called(name, shapes)} are ${formatShape(left)} and ${formatShape(right)}`,
      );
    }
    if (tau.has(name)) problems.push(`${name} has both a task vector and factors of one`);
  }
  return problems;
}

/** Whether [out, r] and [r, in] make [out, in], r being at least 1. */
function isProduct(
  left: readonly number[],
  right: readonly number[],
  shape: readonly number[] | undefined,
): boolean {
  const rank = left[1]!;
  return (
    shape?.length === 2 &&
    rank >= 1 &&
    formatShape(left) === formatShape([shape[0]!, rank]) &&
    formatShape(right) === formatShape([rank, shape[1]!])
  );
}

function normProblems(layout: Layout): string[] {
  const { tensors, norms } = layout;
  const problems: string[] = [];
  if (norms.length !== tensors.length || !norms.every((norm) => Number.isFinite(norm) && norm >= 0)) {
    problems.push(`the norms are not ${tensors.length} finite numbers`);
  }
  const [tau, factors] = [layout.shapes('tau'), layout.shapes('tau_left')];
  tensors.forEach(({ name }, t) => {
    if (norms[t]! > 0 && !tau.has(name) && !factors.has(name)) {
      problems.push(`the task vector of ${name} is missing, whose norm is not zero`);
    }
  });
  return problems;
}

function subspaceProblems(layout: Layout, shapes: Shapes): string[] {
  const rights = layout.shapes('right');
  const problems: string[] = [];
  for (const [name, left] of layout.shapes('left')) {
    const [shape, right] = [shapes.get(name), rights.get(name)];
    if (right === undefined) {
      continue;
    }
    // As of a product, the right one lying.
    const fits = right.length === 2 && isProduct(left, [right[1]!, right[0]!], shape);
    if (!fits || left[1]! > Math.min(...shape!)) {
      problems.push(
        `the subspaces of ${called(name, shapes)} are ${formatShape(left)} and ${formatShape(right)}`,
      );
    }
  }
  return problems;
}

function spectrumProblems(layout: Layout, shapes: Shapes): string[] {
  const problems: string[] = [];
  for (const [name, spectrum] of layout.shapes('spectrum')) {
    const shape = shapes.get(name);
    const fits =
      shape?.length === 2 && spectrum.length === 1 && spectrum[0]! >= 1 && spectrum[0]! <= Math.min(...shape);
    if (!fits) {
      problems.push(`the spectrum of ${called(name, shapes)} is ${formatShape(spectrum)}`);
    }
  }
  return problems;
}

function bottomProblems(layout: Layout, shapes: Shapes): string[] {
  const subspaces = layout.shapes('left');
  const problems: string[] = [];
  for (const [name, bottom] of layout.shapes('bottom')) {
    const shape = shapes.get(name);
    const [rows, width] = bottom;
    const fits =
      shape?.length === 2 &&
      bottom.length === 2 &&
      rows === shape[1] &&
      width! >= 1 &&
      width! <= Math.min(...shape);
    if (!fits) {
      problems.push(`the bottom subspace of ${called(name, shapes)} is ${formatShape(bottom)}`);
    }
    if (!subspaces.has(name)) problems.push(`${name} has a bottom subspace, but no left one`);
  }
  return problems;
}
