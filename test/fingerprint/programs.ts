import type { Program } from '../../src/fingerprint/program.js';
import type { Random } from '../../src/tensors/random.js';

/** what `randomProgram` asks for a feature and for an effect */
export const FEATURE_PRICE = 0.003;
export const LEVEL_PRICE = 1e-3;

/** n rows of normal features, two levels a row where there are effects, and a noisy linear target. */
export function randomProgram(random: Random, n: number, columns: number, effects: number): Program {
  const truth = Array.from({ length: columns }, () => random.normal());
  const levels = Array.from({ length: effects }, () => random.normal());
  const design: number[][] = [];
  const target: number[] = [];
  for (let i = 0; i < n; i++) {
    const row = truth.map(() => random.normal());
    const pair = effects > 1 ? [...random.permutation(effects)].slice(0, 2) : [];
    design.push([...row, ...levels.map((_, level) => (pair.includes(level) ? 1 : 0))]);
    const signal = row.reduce((sum, x, j) => sum + x * truth[j], 0);
    target.push(pair.reduce((sum, t) => sum + levels[t], signal) + 0.5 * random.normal());
  }
  const prices = [...truth.map(() => FEATURE_PRICE), ...levels.map(() => LEVEL_PRICE)];
  return { label: 'random', design, target, prices };
}
