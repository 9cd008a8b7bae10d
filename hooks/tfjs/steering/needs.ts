import {
  type SteeringContext,
  TERM_NEEDS,
  type TermInfo,
  type TermNeed,
  WORKS_WITHOUT,
} from '../../../src/steering/index.js';

/** Which needs of a term this run does not meet, and which terms work without; null: it meets all. */
export function unmetNeeds(info: TermInfo, context: SteeringContext): string | null {
  const missing = info.needs.filter((need) => !isMet(need, context));
  if (missing.length === 0) {
    return null;
  }
  return `${info.name} needs ${missing.map((need) => TERM_NEEDS[need]).join(' and ')}, which this run has not; ${WORKS_WITHOUT}`;
}

function isMet(need: TermNeed, { references, activations }: SteeringContext): boolean {
  switch (need) {
    case 'loss function':
      // Seen when the loop has taken a step.
      return true;
    case 'references':
      return references.length > 0;
    case 'reference samples':
      return references.some(({ inputs }) => inputs !== null);
    case 'activations':
      return activations !== null;
  }
}
