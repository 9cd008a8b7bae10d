import { GradientAverage } from '../../../hooks/tfjs/gradient-average.js';
import { type BackendName, openBackend } from '../../../src/backend/index.js';
import { GuardedSteps } from '../common/guarded-steps.js';
import { MODELS, type ModelName } from './models.js';

/** What a child process measures: one model on one backend. */
export interface Order {
  readonly backend: BackendName;
  readonly model: ModelName;
  /** the guard's budget, a fraction of the step time; null: plain steps only */
  readonly overhead: number | null;
  /** of blocks; attaching and warming up come before */
  readonly seconds: number;
  /** plain steps, and as many guarded ones, instead of `seconds`; null: by time */
  readonly steps: number | null;
  /** a software adapter will do */
  readonly takesSoftware: boolean;
}

export interface Measured {
  /** library or adapter */
  readonly device: string;
  readonly parameters: number;
  /** opening the model, the references and the guard, which measures what everything costs */
  readonly setupSeconds: number;
  readonly stepsPerBlock: number;
  /** [pairs of blocks] ms in all of a block's steps */
  readonly plain: { readonly wall: readonly number[]; readonly cpu: readonly number[] };
  /** null without a guard */
  readonly guarded: { readonly wall: readonly number[]; readonly cpu: readonly number[] } | null;
  readonly ticks: number;
  readonly folds: number;
  /** the guard's own account: its time over plain time; null before the first tick */
  readonly overhead: number | null;
}

/** The child's answer: why it does not open or failed, or what it measured. */
export type Answer =
  | {
      readonly problem: string;
      /** the backend opened, and failed then */
      readonly isOpen: boolean;
    }
  | { readonly measured: Measured };

const WARM_UP = 3;
/** Long beside the wait at its end, and short beside the seconds for which a shared machine is slower than before. */
const BLOCK_MS = 400;
/** Fewer plain steps than this would pass for training of the guard's own: see GuardedSteps. */
const SHORTEST_BLOCK = 6;
const LONGEST_BLOCK = 200;
const LEAST_PAIRS = 2;

const order = JSON.parse(process.argv[2]) as Order;
let answer: Answer;
let isOpen = false;
try {
  answer = await answerTo(order);
} catch (error) {
  answer = { problem: (error as Error).message, isOpen };
}
// Worker threads may still be there.
process.send?.(answer, () => process.exit());

async function answerTo({ backend, model, overhead, seconds, steps, takesSoftware }: Order): Promise<Answer> {
  const { description } = await openBackend(backend);
  isOpen = true;
  if (!takesSoftware && description.endsWith('a software adapter')) {
    return { problem: `${description}: it takes minutes, and runs where --backends names it`, isOpen: false };
  }
  const folds = countFolds();
  const start = performance.now();
  const guarded = await GuardedSteps.open(MODELS[model], overhead);
  const setupSeconds = (performance.now() - start) / 1000;
  await guarded.run(WARM_UP, false);
  await guarded.run(WARM_UP, true);
  const { wall } = await guarded.run(WARM_UP, false);
  const fitting = Math.ceil((BLOCK_MS * WARM_UP) / wall);
  const stepsPerBlock = Math.min(LONGEST_BLOCK, Math.max(SHORTEST_BLOCK, fitting));
  const times = { plain: { wall: [], cpu: [] }, guarded: { wall: [], cpu: [] } } as {
    [kind in 'plain' | 'guarded']: { wall: number[]; cpu: number[] };
  };
  const block = async (kind: 'plain' | 'guarded') => {
    const taken = await guarded.run(stepsPerBlock, kind === 'guarded');
    times[kind].wall.push(taken.wall);
    times[kind].cpu.push(taken.cpu);
  };
  const [ticksBefore, foldsBefore] = [guarded.ticks, folds.count];
  const begun = performance.now();
  const isDone = (pairs: number) =>
    steps === null
      ? pairs >= LEAST_PAIRS && performance.now() - begun >= 1000 * seconds
      : pairs * stepsPerBlock >= steps;
  for (let pair = 0; !isDone(pair); pair++) {
    // Now one first, now the other: what follows what does not favour either.
    const kinds = pair % 2 === 0 ? (['guarded', 'plain'] as const) : (['plain', 'guarded'] as const);
    for (const kind of kinds.filter((each) => overhead !== null || each === 'plain')) {
      await block(kind);
    }
  }
  return {
    measured: {
      device: description,
      parameters: guarded.parameters,
      setupSeconds,
      stepsPerBlock,
      plain: times.plain,
      guarded: overhead === null ? null : times.guarded,
      ticks: guarded.ticks - ticksBefore,
      folds: folds.count - foldsBefore,
      overhead: guarded.overhead,
    },
  };
}

/** No event has them. */
function countFolds(): { count: number } {
  const folds = { count: 0 };
  const { fold } = GradientAverage.prototype;
  GradientAverage.prototype.fold = function (...given) {
    folds.count += 1;
    return fold.apply(this, given);
  };
  return folds;
}
