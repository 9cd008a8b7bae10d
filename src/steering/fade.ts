/** Share of its lifetime after which a term begins to fade. */
const FULL = 2 / 3;

/**
 * Factor on the strengths of an order, 0 to 1: 1 for the first two thirds of its lifetime, from there in a straight
 * line down to 0 at its end and after it, so that a guard that falls silent lets go of the training gently.
 * @param stepsSince steps since the order began, negative before
 * @param lifetimeSteps null: it never fades
 */
export function fadeFactor(stepsSince: number, lifetimeSteps: number | null): number {
  if (lifetimeSteps === null) {
    return 1;
  }
  const left = (lifetimeSteps - stepsSince) / (lifetimeSteps * (1 - FULL));
  return lifetimeSteps > 0 ? Math.min(1, Math.max(0, left)) : 0;
}
