import { describe, expect, it } from 'vitest';
import { Random } from '../../src/tensors/index.js';
import { type Rest, sharedEffects } from '../bench/zoo/shared-effects.js';

const tasks = ['a', 'b', 'c', 'd', 'e', 'f'];
const truth = new Map(tasks.map((task, t) => [task, Math.sin(3 * t)]));
const truthOf = (task: string) => truth.get(task)!;

/** Every pair once a method, its effects and the noise of each. */
function restsOf(methods: number, noise: () => number): Rest[] {
  return Array.from({ length: methods }, () =>
    tasks.flatMap((taskA, i) =>
      tasks.slice(i + 1).map((taskB) => ({ taskA, taskB, rest: truthOf(taskA) + truthOf(taskB) + noise() })),
    ),
  ).flat();
}

describe('sharedEffects', () => {
  it('finds what pairs are the sum of, with next to no price', () => {
    const effectOf = sharedEffects(
      restsOf(2, () => 0),
      1e-9,
    );
    for (const task of tasks) {
      expect(effectOf(task)).toBeCloseTo(truthOf(task), 8);
    }
  });

  it('knows nothing of a task that it has not seen', () => {
    const effectOf = sharedEffects(
      restsOf(1, () => 0),
      1,
    );
    expect(effectOf('g')).toBe(0);
  });

  it('solves its normal equations: what is left of a task is the price times its effect', () => {
    const random = new Random('shared effects');
    const rests = restsOf(3, () => random.normal()).slice(4);
    const effectOf = sharedEffects(rests, 5);
    for (const task of tasks) {
      const left = rests
        .filter(({ taskA, taskB }) => task === taskA || task === taskB)
        .reduce((sum, { taskA, taskB, rest }) => sum + rest - effectOf(taskA) - effectOf(taskB), 0);
      expect(left).toBeCloseTo(5 * effectOf(task), 9);
    }
  });

  it('draws towards zero, all the way at a high price', () => {
    const sizes = [1e-9, 1, 10, 1e9].map((price) => {
      const effectOf = sharedEffects(
        restsOf(1, () => 0),
        price,
      );
      return tasks.reduce((sum, task) => sum + effectOf(task) ** 2, 0);
    });
    expect(sizes).toEqual([...sizes].sort((one, other) => other - one));
    expect(sizes[3]).toBeLessThan(1e-12);
  });

  it('comes closer with the rows of more methods', () => {
    const random = new Random('methods');
    const errorOf = (methods: number) => {
      const effectOf = sharedEffects(
        restsOf(methods, () => random.normal()),
        0.1 * methods,
      );
      return tasks.reduce((sum, task) => sum + (effectOf(task) - truthOf(task)) ** 2, 0);
    };
    expect(errorOf(40)).toBeLessThan(0.3 * errorOf(1));
  });
});
