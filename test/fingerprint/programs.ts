import type { Program } from '../../src/fingerprint/program.js';
import type { Random } from '../../src/tensors/random.js';

/** n rows of normal features, two members a row where there are effects, and a noisy linear target. */
export function randomProgram(random: Random, n: number, columns: number, effects: number): Program {
  const truth = Array.from({ length: columns }, () => random.normal());
  const levels = Array.from({ length: effects }, () => random.normal());
  const features: number[][] = [];
  const target: number[] = [];
  const members: number[][] = [];
  for (let i = 0; i < n; i++) {
    const row = truth.map(() => random.normal());
    const pair = effects > 1 ? [...random.permutation(effects)].slice(0, 2) : [];
    features.push(row);
    members.push(pair);
    const signal = row.reduce((sum, x, j) => sum + x * truth[j], 0);
    target.push(pair.reduce((sum, t) => sum + levels[t], signal) + 0.5 * random.normal());
  }
  return { label: 'random', features, target, members, effects, penalty: 0.003 };
}
