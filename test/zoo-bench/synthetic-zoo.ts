import { Random } from '../../src/tensors/index.js';
import type { Evaluated, ZooPair, ZooTable } from '../bench/zoo/zoo-table.js';

export interface SyntheticZoo {
  readonly seed: number;
  readonly tasks?: number;
  /** merge ids with how hard each is on a model */
  readonly methods?: Readonly<Record<string, number>>;
  readonly testSamples?: number;
  /** calibration samples that the longest probe is given */
  readonly calibrationSamples?: number;
}

/** One image of a task: how far its own model is on the right side, and how far a merge pushes it. */
interface Sample {
  readonly margin: number;
  readonly push: number;
}

/**
 * A zoo in which a merge hurts mostly by how fragile the scored task is, and a little by its partner, as
 * ../shared/SCIENCE.md 7 measured it. Images are drawn once a task and part, so that everything evaluated on them is
 * off in the same direction: that is what effects on a probe's residual can learn.
 */
export function syntheticZoo({
  seed,
  tasks: count = 10,
  methods = { weight_avg: 1, ties: 1.05, tsv: 0.85 },
  testSamples = 500,
  calibrationSamples = 128,
}: SyntheticZoo): ZooTable {
  const random = new Random('synthetic zoo', seed);
  const tasks = Array.from({ length: count }, (_, t) => `task-${t}`);
  const images = (n: number) =>
    Array.from(
      { length: n },
      (): Sample => ({ margin: 2.2 + random.normal(), push: 1 + 0.4 * random.normal() }),
    );
  const made = tasks.map(() => ({
    // most tasks hardly mind, one or two do
    fragility: 0.35 + 1.1 * random.uniform() ** 2,
    test: images(testSamples),
    calibration: images(calibrationSamples),
  }));
  const evaluate = (samples: readonly Sample[], push: number): Evaluated => {
    let correct = 0;
    let loss = 0;
    for (const { margin, push: own } of samples) {
      const at = margin - push * own + 0.15 * random.normal();
      correct += at > 0 ? 1 : 0;
      loss += Math.log1p(Math.exp(-3 * at));
    }
    return { accuracy: correct / samples.length, loss: loss / samples.length, samples: samples.length };
  };
  const parts = (t: number, push: number) => ({
    test: evaluate(made[t].test, push),
    calibration: {
      '8': evaluate(made[t].calibration.slice(0, 8), push),
      '32': evaluate(made[t].calibration.slice(0, 32), push),
      '128': evaluate(made[t].calibration, push),
    },
  });
  const pairs: ZooPair[] = [];
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      const apart = [random.normal(), random.normal()];
      const sideOf = (t: number, side: number, hardness: number) =>
        parts(t, Math.max(0, hardness * made[t].fragility * (1 + 0.1 * apart[side])));
      const fragile = (made[a].fragility + made[b].fragility) / 2;
      pairs.push({
        a: tasks[a],
        b: tasks[b],
        metrics: {
          encoder_gradient_l2_distance: fragile + 0.15 * random.normal(),
          activation_l2_distance: (apart[0] + apart[1]) / 2 + fragile + 0.4 * random.normal(),
          task_vector_cosine_similarity: random.normal() - 0.3 * apart[0],
          effective_rank: random.normal(),
          constant: 4,
          never: null,
        },
        merges: Object.fromEntries(
          Object.entries(methods).map(([id, hardness]) => [
            id,
            { a: sideOf(a, 0, hardness), b: sideOf(b, 1, hardness) },
          ]),
        ),
      });
    }
  }
  return {
    seed,
    tasks,
    methods: Object.keys(methods),
    pairs,
    own: Object.fromEntries(tasks.map((task, t) => [task, parts(t, 0)])),
    half: Object.fromEntries(
      tasks.map((task, t) => [task, { calibration: parts(t, 1.02 * made[t].fragility).calibration }]),
    ),
  };
}
