import { scaleJitter } from './scale-jitter.js';
import { subspace } from './subspace.js';
import type { TermInfo } from './term.js';

export { atScale, withValues } from './move-weights.js';
export type {
  GradientTerm,
  LossGradients,
  LossTerm,
  SteeredTensor,
  SteeringContext,
  Term,
  TermInfo,
  TermNeed,
} from './term.js';

/** Every regularisation term by name. Adding one is adding a file and a line here. */
export const TERMS: readonly TermInfo[] = [subspace, scaleJitter];
