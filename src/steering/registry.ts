import { MergeguardError } from '../tensors/errors.js';
import { nearest } from '../tensors/nearest.js';
import { alignment } from './alignment.js';
import { functional } from './functional.js';
import { gradientNorm } from './gradient-norm.js';
import { hold } from './hold.js';
import { mergeSimulation } from './merge-simulation.js';
import { proximal } from './proximal.js';
import { scaleJitter } from './scale-jitter.js';
import { sharpness } from './sharpness.js';
import { subspace } from './subspace.js';
import type { TermInfo } from './term.js';
import { termOptions } from './term-options.js';

/** Every regularisation term by name. Adding one is adding a file and a line here. */
export const TERMS: readonly TermInfo[] = [
  mergeSimulation,
  scaleJitter,
  sharpness,
  gradientNorm,
  proximal,
  subspace,
  alignment,
  functional,
  hold,
];

/** @throws MergeguardError naming the known terms, and the nearest of them */
export function termNamed(name: string): TermInfo {
  const info = TERMS.find((candidate) => candidate.name === name);
  if (info === undefined) {
    const known = TERMS.map((term) => term.name);
    const meant = nearest(name, known);
    const hint = meant === null ? 'known' : `did you mean ${meant}? Known`;
    throw new MergeguardError(`unknown steering term "${name}"; ${hint} are ${known.join(', ')}`);
  }
  return info;
}

/** A term with its options settled. */
export interface CheckedTerm {
  readonly info: TermInfo;
  /** every parameter, defaults filled in */
  readonly options: { readonly [parameter: string]: unknown; readonly strength: number };
}

/**
 * The term of this name with these options, `strength` among them; what is left out is filled in.
 * @throws MergeguardError naming the known terms where there is none of this name, else every parameter that is unknown
 * (with the nearest known one) or out of range
 */
export function checkTerm(name: string, options: Readonly<Record<string, unknown>> = {}): CheckedTerm {
  const info = termNamed(name);
  return { info, options: termOptions(name, info.parameters, options) as CheckedTerm['options'] };
}
