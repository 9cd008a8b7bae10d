import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Budget } from '../../../hooks/tfjs/budget.js';
import { FailOpen } from '../../../hooks/tfjs/fail-open.js';
import { type Pieces, SlowTask } from '../../../hooks/tfjs/slow-task.js';
import { StepClock } from '../../../hooks/tfjs/step-clock.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Pieces whose device, or thread, answers when it is told to. */
class Bench implements Pieces {
  readonly count = 3;
  threadMs = 0;
  readonly begun: number[] = [];
  readonly ended: number[] = [];
  readonly warnings: string[] = [];
  restarts = 0;
  readonly budget = new Budget(0.5, ['slow']);
  readonly task: SlowTask;
  /** what `begin` takes of the training's thread */
  costMs = 0;
  #answer: ((error?: Error) => void) | null = null;

  constructor(every: 'auto' | number, strict = false) {
    const failOpen = new FailOpen('It', strict, (title, text) => this.warnings.push(`${title}: ${text}`));
    const clock = new StepClock();
    const { budget } = this;
    // Nothing is there to be given back.
    const retreat = { attempt: <Result>(body: () => Result) => body() };
    this.task = new SlowTask(this, { activity: 'slow', every, budget, clock, failOpen, retreat });
  }

  get midway(): boolean {
    return this.begun.length % this.count > 0;
  }

  restart(): void {
    this.restarts += 1;
  }

  async begin(step: number): Promise<() => void> {
    vi.advanceTimersByTime(this.costMs);
    this.begun.push(step);
    await new Promise<void>((resolve, reject) => {
      this.#answer = (error) => (error ? reject(error) : resolve());
    });
    return () => this.ended.push(step);
  }

  async rehearse(): Promise<number> {
    return 1;
  }

  async answer(error?: Error): Promise<void> {
    // All that comes before and hangs on the answer are microtasks.
    await nextTurn();
    this.#answer?.(error);
    this.#answer = null;
    await nextTurn();
  }

  /** Steps from..to, each answered at once. */
  async steps(from: number, to: number): Promise<void> {
    for (let step = from; step <= to; step++) {
      this.task.step(step);
      await this.answer();
    }
  }
}

describe('every so many steps', () => {
  it('begins with the pieces one a step, and again when that many steps have passed since the first', async () => {
    const bench = new Bench(5);
    await bench.steps(0, 16);
    expect(bench.begun).toEqual([5, 6, 7, 10, 11, 12, 15, 16]);
    expect(bench.ended).toEqual(bench.begun);
  });

  it('waits for nobody: the next piece begins when the last one is done, however many steps that takes', async () => {
    const bench = new Bench(2);
    for (let step = 0; step < 9; step++) {
      bench.task.step(step);
    }
    expect([bench.begun, bench.ended]).toEqual([[2], []]);
    await bench.answer();
    bench.task.step(9);
    expect([bench.begun, bench.ended]).toEqual([[2, 9], [2]]);
  });
});

describe('by the budget', () => {
  it('a piece begins when the account has what the last ones cost, and not before the first step', async () => {
    const bench = new Bench('auto');
    bench.budget.expect('slow', 20);
    bench.costMs = 20;
    const perStep = async (step: number) => {
      vi.advanceTimersByTime(100);
      bench.budget.step(10);
      bench.task.step(step);
      await bench.answer();
    };
    // Half of a step of 10 ms: four steps earn a piece.
    for (let step = 0; step < 16; step++) {
      await perStep(step);
    }
    expect(bench.begun).toEqual([3, 7, 11, 15]);
    expect(bench.budget.overhead).toBeCloseTo(0.5, 10);
  });

  it("a thread's work is paid too, by its share of the cores", async () => {
    const bench = new Bench('auto');
    bench.budget.expect('slow', 0);
    bench.task.step(1);
    bench.threadMs += 20 * availableParallelism();
    await bench.answer();
    expect(bench.budget.cost('slow')).toBeCloseTo(4, 10);
    bench.budget.step(10);
    expect(bench.budget.overhead).toBeCloseTo(2, 10);
  });

  it('a thread that works for long rests three times as long', async () => {
    const bench = new Bench('auto');
    bench.budget.expect('slow', 0);
    bench.task.step(1);
    vi.advanceTimersByTime(1000);
    await bench.answer();
    vi.advanceTimersByTime(2999);
    bench.task.step(2);
    expect(bench.begun).toEqual([1]);
    vi.advanceTimersByTime(1);
    bench.task.step(3);
    expect(bench.begun).toEqual([1, 3]);
  });
});

describe('at the end', () => {
  it('all pieces are of the last step, whatever was under way, and how far it is can be followed', async () => {
    const bench = new Bench(2);
    await bench.steps(0, 3);
    bench.task.step(4);
    expect(bench.begun).toEqual([2, 3, 4]);
    const seen: number[] = [];
    const completing = bench.task.complete(9, (done) => seen.push(done) > 0);
    for (let piece = 0; piece < 4; piece++) {
      await bench.answer();
    }
    await completing;
    expect(bench.ended).toEqual([2, 3, 4, 9, 9, 9]);
    expect(bench.restarts).toBe(1);
    expect(seen).toEqual([0, 1, 2, 3]);
  });

  it('it stops where it is told not to proceed', async () => {
    const bench = new Bench(2);
    const completing = bench.task.complete(9, (done) => done < 1);
    await bench.answer();
    await completing;
    expect(bench.ended).toEqual([9]);
  });

  it('a piece that fails is not counted, the next one is tried', async () => {
    const bench = new Bench(2);
    const seen: number[] = [];
    const completing = bench.task.complete(9, (done) => seen.push(done) > 0);
    await bench.answer();
    await bench.answer(new Error('out of luck'));
    await bench.answer();
    await completing;
    expect(bench.begun).toEqual([9, 9, 9]);
    expect(seen).toEqual([0, 1, 1, 2]);
  });

  it('no more pieces are begun, or counted, once it is switched off', async () => {
    const bench = new Bench(1);
    for (const step of [1, 2]) {
      bench.task.step(step);
      await bench.answer(new Error('out of luck'));
    }
    const seen: number[] = [];
    const completing = bench.task.complete(9, (done) => seen.push(done) > 0);
    await bench.answer(new Error('out of luck'));
    await completing;
    await bench.task.complete(9, (done) => seen.push(done) > 0);
    expect([bench.begun, seen]).toEqual([
      [1, 2, 9],
      [0, 0],
    ]);
  });

  it('what is under way when it is stopped is forgotten, an error too', async () => {
    for (const error of [undefined, new Error('the thread was closed')]) {
      const bench = new Bench(1, true);
      bench.task.step(1);
      bench.task.stop();
      await bench.answer(error);
      expect([bench.ended, bench.warnings]).toEqual([[], []]);
    }
  });
});

describe('a piece that fails', () => {
  it('is told, the next one is tried, and after three in a row there are no more', async () => {
    const bench = new Bench(1);
    for (let step = 1; step < 9; step++) {
      bench.task.step(step);
      await bench.answer(step === 1 || step > 3 ? new Error('out of luck') : undefined);
    }
    expect(bench.begun).toEqual([1, 2, 3, 4, 5, 6]);
    expect(bench.ended).toEqual([2, 3]);
    expect(bench.warnings).toEqual([
      'It failed; training goes on: out of luck',
      'It is switched off: 3 failures in a row, the last: out of luck',
    ]);
  });

  it('is thrown at the next step with `strict`', async () => {
    const bench = new Bench(1, true);
    bench.task.step(1);
    await bench.answer(new Error('out of luck'));
    expect(() => bench.task.step(2)).toThrow('out of luck');
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
