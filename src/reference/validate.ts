import { elementCount, formatShape, type HostTensor, type NamedTensors } from '../tensors/index.js';
import { layoutOf, layoutProblems } from './layout.js';
import { type Calibration, descriptionOf, descriptionSchema, type Reference } from './reference.js';

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

/** Everything by which a reference contradicts itself, a line each. */
export function referenceProblems(reference: Reference): string[] {
  return [...layoutProblems(layoutOf(reference)), ...contentProblems(reference)];
}

/** What of that takes its description and its values to tell, and not only its layout. */
export function contentProblems(reference: Reference): string[] {
  const { gradient, gradientRecipe, head, calibration, inputGradient } = reference;
  const parsed = descriptionSchema.safeParse(descriptionOf(reference));
  const problems = (parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  problems.push(...taskVectorProblems(reference));
  if ((gradient === null) !== (gradientRecipe === null)) {
    problems.push('a gradient and its recipe come together; one of them is missing');
  }
  if (gradient !== null) problems.push(...valueProblems('gradient', gradient));
  if (gradient?.size === 0) problems.push('the gradient has no tensors; leave it out instead');
  if (head !== null) problems.push(...valueProblems('head', head));
  if (head?.size === 0) problems.push('the head has no tensors; leave it out instead');
  if (calibration !== null) problems.push(...calibrationProblems(calibration));
  if (inputGradient !== null) problems.push(...inputGradientProblems(inputGradient, calibration));
  return problems;
}

/** Of task vectors and what was made of them. */
function taskVectorProblems({ tau, factors, subspaces, spectra, bottoms }: Reference): string[] {
  const problems = valueProblems('tau', tau);
  for (const [name, { left, right }] of factors) {
    problems.push(...hostProblems(`tau_left ${name}`, left), ...hostProblems(`tau_right ${name}`, right));
  }
  for (const [name, { left, right }] of subspaces) {
    problems.push(...hostProblems(`left ${name}`, left), ...hostProblems(`right ${name}`, right));
  }
  for (const [name, spectrum] of spectra) {
    if (!spectrum.every(Number.isFinite)) problems.push(`the spectrum of ${name} is not finite`);
  }
  problems.push(...valueProblems('bottom', bottoms));
  return problems;
}
