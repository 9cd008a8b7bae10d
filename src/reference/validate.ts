import {
  elementCount,
  formatShape,
  type HostTensor,
  type NamedTensors,
  type Shapes,
} from '../tensors/index.js';
import {
  type Calibration,
  descriptionOf,
  descriptionSchema,
  type Factors,
  type Reference,
  type Subspace,
} from './reference.js';

function hostProblems(label: string, { shape, data }: HostTensor): string[] {
  if (elementCount(shape) !== data.length) {
    return [`${label} is ${formatShape(shape)}, but has ${data.length} values`];
  }
  let bad = 0;
  for (const value of data) {
    if (!Number.isFinite(value)) bad++;
  }
  return bad === 0 ? [] : [`${label} has ${bad} of ${data.length} values that are NaN or infinite`];
}

/** Tensors whose length is not their shape's, or that hold NaN or infinity; `of` goes before each name. */
export function valueProblems(of: string, tensors: NamedTensors): string[] {
  const problems: string[] = [];
  for (const [name, tensor] of tensors) {
    problems.push(...hostProblems(`${of} ${name}`, tensor));
  }
  return problems;
}

function calibrationProblems({ images, labels }: Calibration): string[] {
  const problems = hostProblems('the calibration images', images);
  const samples = images.shape[0] ?? 0;
  if (samples === 0) {
    problems.push('there are no calibration samples; leave the calibration out instead');
  }
  if (samples !== labels.length) {
    problems.push(`there are ${samples} calibration images, but ${labels.length} labels`);
  }
  const negative = labels.filter((label) => label < 0).length;
  if (negative > 0) {
    problems.push(`${negative} calibration labels are negative; labels are class indices from 0`);
  }
  return problems;
}

function subspaceProblems(name: string, { k, left, right }: Subspace, shape: readonly number[]): string[] {
  const problems = [...hostProblems(`left ${name}`, left), ...hostProblems(`right ${name}`, right)];
  const needed = [`${shape[0]}, ${k}`, `${shape[1]}, ${k}`];
  const found = [left.shape.join(', '), right.shape.join(', ')];
  if (shape.length !== 2 || needed.join() !== found.join()) {
    problems.push(
      `the subspaces of ${name}, which is ${formatShape(shape)}, are [${found[0]}] and [${found[1]}]`,
    );
  }
  return problems;
}

/** Tensors of a part that belong to no shared tensor, or to one of another shape. */
function shapeProblems(part: string, found: NamedTensors, shapes: Shapes): string[] {
  const problems: string[] = [];
  for (const [name, { shape }] of found) {
    const expected = shapes.get(name);
    if (expected === undefined) {
      problems.push(`${part} ${name} belongs to no shared tensor`);
    } else if (formatShape(expected) !== formatShape(shape)) {
      problems.push(`${part} ${name} is ${formatShape(shape)}, the tensor ${formatShape(expected)}`);
    }
  }
  return problems;
}

function factorProblems(name: string, { left, right }: Factors, shape: readonly number[]): string[] {
  const problems = [...hostProblems(`tau_left ${name}`, left), ...hostProblems(`tau_right ${name}`, right)];
  const rank = left.shape[1];
  const found = `${formatShape(left.shape)} and ${formatShape(right.shape)}`;
  if (found !== `${formatShape([shape[0]!, rank!])} and ${formatShape([rank!, shape[1]!])}`) {
    problems.push(`the factors of ${name}, which is ${formatShape(shape)}, are ${found}`);
  }
  return problems;
}

function bottomProblems(name: string, bottom: HostTensor, shape: readonly number[]): string[] {
  const problems = hostProblems(`bottom ${name}`, bottom);
  if (shape.length !== 2 || bottom.shape.length !== 2 || bottom.shape[0] !== shape[1]) {
    problems.push(
      `the bottom subspace of ${name}, which is ${formatShape(shape)}, is ${formatShape(bottom.shape)}`,
    );
  }
  return problems;
}

function inputGradientProblems(inputGradient: HostTensor, calibration: Calibration | null): string[] {
  const problems = hostProblems('the input gradient', inputGradient);
  const found = formatShape(inputGradient.shape);
  if (calibration === null) {
    problems.push('there is an input gradient, but no calibration samples that it is of');
  } else if (
    formatShape(inputGradient.shape.slice(1)) !== formatShape(calibration.images.shape.slice(1)) ||
    !(inputGradient.shape[0]! >= 1 && inputGradient.shape[0]! <= calibration.images.shape[0]!)
  ) {
    problems.push(
      `the input gradient is ${found}, the calibration inputs are ${formatShape(calibration.images.shape)}`,
    );
  }
  return problems;
}

/** Everything by which a reference contradicts itself, a line each: when it is made and when it is read. */
export function referenceProblems(reference: Reference): string[] {
  const { tensors, tau, factors, norms, subspaces, spectra, bottoms } = reference;
  const { gradient, gradientRecipe, head, calibration, inputGradient } = reference;
  const parsed = descriptionSchema.safeParse(descriptionOf(reference));
  const problems = (parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const shapes = new Map(tensors.map((tensor) => [tensor.name, tensor.shape]));
  if (shapes.size !== tensors.length) {
    problems.push('a tensor is listed twice');
  }
  problems.push(...shapeProblems('tau', tau, shapes), ...valueProblems('tau', tau));
  for (const [key, factor] of factors) {
    problems.push(...factorProblems(key, factor, shapes.get(key) ?? []));
    if (tau.has(key)) problems.push(`${key} has both a task vector and factors of one`);
  }
  if (norms.length !== tensors.length || !norms.every((norm) => Number.isFinite(norm) && norm >= 0)) {
    problems.push(`the norms are not ${tensors.length} finite numbers`);
  }
  tensors.forEach(({ name }, t) => {
    if (norms[t]! > 0 && !tau.has(name) && !factors.has(name)) {
      problems.push(`the task vector of ${name} is missing, whose norm is not zero`);
    }
  });
  for (const [key, subspace] of subspaces) {
    if (!spectra.has(key)) problems.push(`the spectrum of ${key} is missing`);
    problems.push(...subspaceProblems(key, subspace, shapes.get(key) ?? []));
  }
  for (const [key, spectrum] of spectra) {
    if (!shapes.has(key) || !spectrum.every(Number.isFinite)) {
      problems.push(`the spectrum of ${key} is not finite, or of no shared tensor`);
    }
  }
  if ((gradient === null) !== (gradientRecipe === null)) {
    problems.push('a gradient and its recipe come together; one of them is missing');
  }
  for (const [key, bottom] of bottoms) {
    problems.push(...bottomProblems(key, bottom, shapes.get(key) ?? []));
  }
  if (gradient !== null) {
    problems.push(...valueProblems('gradient', gradient), ...shapeProblems('gradient', gradient, shapes));
  }
  if (gradient?.size === 0) problems.push('the gradient has no tensors; leave it out instead');
  if (head !== null) problems.push(...valueProblems('head', head));
  if (head?.size === 0) problems.push('the head has no tensors; leave it out instead');
  if (calibration !== null) problems.push(...calibrationProblems(calibration));
  if (inputGradient !== null) problems.push(...inputGradientProblems(inputGradient, calibration));
  return problems;
}
