import {
  elementCount,
  formatShape,
  type HostTensor,
  matchTensors,
  type NamedTensors,
} from '../tensors/index.js';
import {
  type Calibration,
  descriptionOf,
  descriptionSchema,
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

function gradientProblems(gradient: NamedTensors, shapes: ReadonlyMap<string, readonly number[]>): string[] {
  const problems = valueProblems('gradient', gradient);
  for (const [name, { shape }] of gradient) {
    const expected = shapes.get(name);
    if (expected === undefined) {
      problems.push(`gradient ${name} belongs to no shared tensor`);
    } else if (formatShape(expected) !== formatShape(shape)) {
      problems.push(`gradient ${name} is ${formatShape(shape)}, the tensor ${formatShape(expected)}`);
    }
  }
  return problems;
}

/** Everything by which a reference contradicts itself, a line each: when it is made and when it is read. */
export function referenceProblems(reference: Reference): string[] {
  const { tensors, tau, norms, subspaces, spectra, gradient, gradientRecipe, head, calibration } = reference;
  const parsed = descriptionSchema.safeParse(descriptionOf(reference));
  const problems = (parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const shapes = new Map(tensors.map((tensor) => [tensor.name, tensor.shape]));
  if (shapes.size !== tensors.length) {
    problems.push('a tensor is listed twice');
  }
  const tauShapes = new Map([...tau].map(([key, tensor]) => [key, tensor.shape]));
  problems.push(...matchTensors(shapes, tauShapes).problems.map((problem) => `tau: ${problem}`));
  problems.push(...valueProblems('tau', tau));
  if (norms.length !== tensors.length || !norms.every((norm) => Number.isFinite(norm) && norm >= 0)) {
    problems.push(`the norms are not ${tensors.length} finite numbers`);
  }
  for (const [key, subspace] of subspaces) {
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
  if (gradient !== null) problems.push(...gradientProblems(gradient, shapes));
  if (gradient?.size === 0) problems.push('the gradient has no tensors; leave it out instead');
  if (head !== null) problems.push(...valueProblems('head', head));
  if (head?.size === 0) problems.push('the head has no tensors; leave it out instead');
  if (calibration !== null) problems.push(...calibrationProblems(calibration));
  return problems;
}
