import { type PredictorOf, without as withoutTasks } from '../../../src/fingerprint/cross-validate.js';
import { defaultPenalties, type Penalties, WITH_EFFECTS_GRID } from '../../../src/fingerprint/penalty.js';
import { combinedLines, programOf } from './fit-predictor.js';
import { isUsable, type MethodRows } from './method-rows.js';
import type { Predictor } from './predictors.js';
import { type Rest, sharedEffects } from './shared-effects.js';
import { combined, stackShares } from './stack.js';

/**
 * Price of a shared effect, in rows of every method. Chosen beforehand on synthetic zoos, not on real outcomes: from 0.1 to 2 it makes no
 * difference there, and the shares of a stack shrink effects further.
 */
const EFFECT_PRICE = 1;

/**
 * Fits predictors to the rows of a table. What merge methods have in common is learned from the rows of all of them: the
 * effects on what a probe leaves over, and the shares of a stack.
 */
export class TableFits {
  readonly #methods: readonly MethodRows[];
  readonly #effects = new Map<string, Promise<(task: string) => number>>();
  readonly #shares = new Map<string, Promise<readonly number[]>>();

  constructor(methods: readonly MethodRows[]) {
    this.#methods = methods;
  }

  /** @param penalties of a program; parts of a stack have the default ones */
  predictorOf(method: MethodRows, predictor: Predictor, penalties: Penalties): PredictorOf {
    if (predictor.parts !== undefined) {
      return this.#stackOf(method, predictor, predictor.parts);
    }
    if (predictor.measurements.length === 0 || predictor.metrics) {
      return programOf(method, predictor, penalties);
    }
    return async (train, without) => {
      const measured = await combinedLines(method, predictor, train, without);
      if (!predictor.effects) {
        return measured;
      }
      const effectOf = await this.#effectsOf(predictor, without);
      return (example) => measured(example) + effectOf(example.taskA) + effectOf(example.taskB);
    };
  }

  #stackOf(method: MethodRows, stack: Predictor, parts: readonly Predictor[]): PredictorOf {
    return async (train, without) => {
      const [shares, ...fitted] = await Promise.all([
        this.#sharesOf(stack, parts, without),
        ...this.#partsOf(method, parts).map((part) => part(train, without)),
      ]);
      return (example) =>
        combined(
          shares,
          fitted.map((predict) => predict(example)),
        );
    };
  }

  #partsOf(method: MethodRows, parts: readonly Predictor[]): PredictorOf[] {
    const penalties = defaultPenalties(WITH_EFFECTS_GRID);
    return parts.map((part) => this.predictorOf(method, part, penalties));
  }

  #sharesOf(
    stack: Predictor,
    parts: readonly Predictor[],
    without: readonly string[],
  ): Promise<readonly number[]> {
    return remembered(this.#shares, stack, without, () => {
      const methods = this.#methods.filter((method) => isUsable(stack, method));
      return stackShares(
        methods.map((method) => ({
          train: withoutTasks(method.examples, without),
          parts: this.#partsOf(method, parts),
        })),
        without,
      );
    });
  }

  #effectsOf(predictor: Predictor, without: readonly string[]): Promise<(task: string) => number> {
    return remembered(this.#effects, predictor, without, async () => {
      const methods = this.#methods.filter((method) => isUsable(predictor, method));
      const rests = await Promise.all(methods.map((method) => restsOf(method, predictor, without)));
      return sharedEffects(rests.flat(), EFFECT_PRICE * methods.length);
    });
  }
}

async function restsOf(
  method: MethodRows,
  predictor: Predictor,
  without: readonly string[],
): Promise<Rest[]> {
  const train = withoutTasks(method.examples, without);
  const measured = await combinedLines(method, predictor, train, without);
  return train.map((example) => ({ ...example, rest: example.outcome - measured(example) }));
}

/** Leaving out task a and then b is leaving out b and then a. */
function remembered<Value>(
  made: Map<string, Promise<Value>>,
  { name }: Predictor,
  without: readonly string[],
  make: () => Promise<Value>,
): Promise<Value> {
  const key = JSON.stringify([name, ...[...without].sort()]);
  const value = made.get(key) ?? make();
  made.set(key, value);
  return value;
}
