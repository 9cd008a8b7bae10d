import {
  type SteeringContext,
  TERM_NEEDS,
  TERMS,
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

/** By name: the terms that this run can not have, and why. */
export function unmetTerms(context: SteeringContext): Record<string, string> {
  const found: Record<string, string> = {};
  for (const info of TERMS) {
    const unmet = unmetNeeds(info, context);
    if (unmet !== null) {
      found[info.name] = unmet;
    }
  }
  return found;
}

function isMet(need: TermNeed, { references, activations }: SteeringContext): boolean {
  switch (need) {
    case 'loss function':
      // Seen when the loop has taken a step.
      return true;
    case 'references':
      return references.length > 0;
    case 'reference samples':
      return references.some(({ hasInputs }) => hasInputs);
    case 'activations':
      return activations !== null;
  }
}
