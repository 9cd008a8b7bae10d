export { fadeFactor } from './fade.js';
export { atScale, withValues } from './move-weights.js';
export { WORKS_WITHOUT } from './needs.js';
export { RECOMMENDED, RECOMMENDED_WITHOUT_REFERENCES, type RecommendedTerm } from './recommended.js';
export { type CheckedTerm, checkTerm, TERMS, termNamed } from './registry.js';
export {
  type EvaluateLoss,
  type GradientTerm,
  type LossGradients,
  type LossTerm,
  type SteeredTensor,
  type SteeringContext,
  type SteeringReference,
  TERM_NEEDS,
  type Term,
  type TermInfo,
  type TermNeed,
} from './term.js';
