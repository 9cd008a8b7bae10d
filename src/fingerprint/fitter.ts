import type { Gate } from './gate.js';
import {
  type Example,
  fitLinear,
  type LinearModel,
  type LinearOptions,
  predictLinear,
} from './linear-model.js';
import type { Program, Solution } from './program.js';

export interface Fitted {
  readonly model: LinearModel;
  readonly predict: (example: Example) => number;
}

export interface FitterOptions {
  readonly solve: (program: Program) => Promise<Solution>;
  /** lets so many fits through at a time: a program is large, and there are tens of thousands */
  readonly gate: Gate;
  /** told after every fit */
  readonly onFit: (label: string) => void;
}

/**
 * Makes the fits of a fingerprint and counts them. The same rows are never fitted twice: leaving out task a and then
 * b is leaving out b and then a.
 */
export class Fitter {
  readonly #options: FitterOptions;
  readonly #made = new Map<string, Promise<Fitted>>();

  constructor(options: FitterOptions) {
    this.#options = options;
  }

  /**
   * @param options `label` and `withEffects`, with `features` and `penalty`, say which rows and what is fitted to them
   * @param without tasks that were left out of the label's rows, in any order
   */
  async fit(
    examples: readonly Example[],
    options: Omit<LinearOptions, 'solve'>,
    without: readonly string[],
  ): Promise<Fitted> {
    const label = without.length === 0 ? options.label : `${options.label}, without ${without.join(' and ')}`;
    const { features, withEffects, penalty } = options;
    const key = JSON.stringify([options.label, features, withEffects, penalty, ...[...without].sort()]);
    let fitted = this.#made.get(key);
    if (fitted === undefined) {
      fitted = this.#make(examples, { ...options, label });
      this.#made.set(key, fitted);
    }
    const result = await fitted;
    this.#options.onFit(label);
    return result;
  }

  async #make(examples: readonly Example[], options: Omit<LinearOptions, 'solve'>): Promise<Fitted> {
    const { gate, solve } = this.#options;
    const model = await gate.through(() => fitLinear(examples, { ...options, solve }));
    return { model, predict: (example) => predictLinear(model, options.features, example) };
  }
}
