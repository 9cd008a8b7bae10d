import { EFFECT_PENALTY, type Program } from './program.js';

/**
 * A lower bound on the optimum of a program, proven by weak duality: for any d with |d_i| <= 1, Σ d = 0,
 * |Σ d_i x_ij| <= n penalty and |Σ_{i with t} d_i| <= n EFFECT_PENALTY the optimum is at least (1/n) Σ d_i y_i.
 * The solver's d misses a condition by rounding (1e-10 or so); what that could be worth is taken off, with a
 * size of the optimal weight, effect or intercept that is generous rather than proven where nothing prices it.
 *
 * @param multipliers [n] of the rows u_i >= r_i, as the solver left them; d = multiplier - 1
 * @param objective an attained value of the program
 */
export function certifiedBound(program: Program, multipliers: readonly number[], objective: number): number {
  const { features, target, members, penalty } = program;
  const n = target.length;
  const spread = Math.max(...target) - Math.min(...target);
  const columns = new Array<number>(features[0].length).fill(0);
  const groups = new Array<number>(program.effects).fill(0);
  let sum = 0;
  let bound = 0;
  for (let i = 0; i < n; i++) {
    const d = Math.min(1, Math.max(-1, multipliers[i] - 1)) / n;
    sum += d;
    bound += d * (target[i] - target[0]);
    features[i].forEach((x, j) => {
      columns[j] += d * x;
    });
    for (const effect of members[i]) {
      groups[effect] += d;
    }
  }
  const dearest = (price: number) => objective / Math.max(price, 1e-3);
  let slack = Math.abs(sum) * spread;
  for (const column of columns) {
    slack += Math.max(0, Math.abs(column) - penalty) * dearest(penalty);
  }
  for (const group of groups) {
    slack += Math.max(0, Math.abs(group) - EFFECT_PENALTY) * spread;
  }
  return bound - slack;
}
