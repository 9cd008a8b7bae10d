import type { TableRow } from '../../src/fingerprint/index.js';
import { Random } from '../../src/tensors/random.js';

export const TASKS = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu'];
/** effects that the outcomes are made with, mean zero */
export const EFFECTS_OF = [-0.06, -0.04, -0.02, 0, 0.02, 0.04, 0.06];

/**
 * Every pair once. Outcome = 0.9 + effects + 0.02 signal - 0.01 drag + noise; `flat` is constant, `noise`
 * means nothing, the self-probe ratio follows the outcome.
 */
export function syntheticTable(noise = 0.002, seed = 1): TableRow[] {
  const random = new Random('synthetic', seed);
  const rows: TableRow[] = [];
  for (let a = 0; a < TASKS.length; a++) {
    for (let b = a + 1; b < TASKS.length; b++) {
      const signal = random.normal();
      const drag = random.normal();
      const outcome =
        0.9 + EFFECTS_OF[a] + EFFECTS_OF[b] + 0.02 * signal - 0.01 * drag + noise * random.normal();
      rows.push({
        taskA: TASKS[a],
        taskB: TASKS[b],
        metrics: {
          signal,
          drag,
          noise: random.normal(),
          flat: 4,
          encoder_gradient_l2_distance: signal + drag,
        },
        outcomes: { ties: outcome, weight_avg: outcome - 0.02 },
        selfProbe: (outcome - 0.3) / 0.7 + 0.5 * noise * random.normal(),
      });
    }
  }
  return rows;
}
