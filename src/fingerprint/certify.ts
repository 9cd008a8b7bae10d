import type { Program } from './program.js';

/**
 * A lower bound on the optimum of a program, proven by weak duality: for any d with |d_i| <= 1, Σ d = 0 and
 * |Σ d_i x_ij| <= n price_j the optimum is at least (1/n) Σ d_i y_i. The solver's d misses a condition by rounding
 * (1e-10 or so); what that could be worth is taken off, with a size of the optimal coefficient or intercept that
 * is generous rather than proven where nothing prices it.
 *
 * @param slopes [n] subgradients of the absolute residuals, as the solver left them
 * @param objective an attained value of the program
 */
export function certifiedBound(
  { design, target, prices }: Program,
  slopes: readonly number[],
  objective: number,
): number {
  const n = target.length;
  const spread = Math.max(...target) - Math.min(...target);
  const pulls = new Array<number>(prices.length).fill(0);
  let sum = 0;
  let bound = 0;
  for (let i = 0; i < n; i++) {
    const d = Math.min(1, Math.max(-1, slopes[i])) / n;
    sum += d;
    bound += d * (target[i] - target[0]);
    for (let j = 0; j < pulls.length; j++) {
      pulls[j] += d * design[i][j];
    }
  }
  let slack = Math.abs(sum) * spread;
  pulls.forEach((pull, j) => {
    slack += Math.max(0, Math.abs(pull) - prices[j]) * (objective / (prices[j] || 1e-3));
  });
  return bound - slack;
}
