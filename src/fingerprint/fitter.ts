import type { Gate } from './gate.js';
import { fitLine, type Line, type LineOptions } from './line.js';
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
  readonly #lines = new Map<string, Promise<Line>>();

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
    const label = labelOf(options.label, without);
    const { features, withEffects, penalty, effectPrice } = options;
    const what = [options.label, features, withEffects, penalty, effectPrice ?? null];
    const key = JSON.stringify([...what, ...[...without].sort()]);
    let fitted = this.#made.get(key);
    if (fitted === undefined) {
      fitted = this.#make(examples, { ...options, label });
      this.#made.set(key, fitted);
    }
    const result = await fitted;
    this.#options.onFit(label);
    return result;
  }

  /** The line of one measurement: `label` and `column` say which rows and what is fitted to them. */
  async line(
    examples: readonly Example[],
    { label, column }: Omit<LineOptions, 'solve'>,
    without: readonly string[],
  ): Promise<Line> {
    const { gate, solve, onFit } = this.#options;
    const named = labelOf(label, without);
    const key = JSON.stringify([label, column, ...[...without].sort()]);
    let fitted = this.#lines.get(key);
    if (fitted === undefined) {
      fitted = gate.through(() => fitLine(examples, { label: named, column, solve }));
      this.#lines.set(key, fitted);
    }
    const line = await fitted;
    onFit(named);
    return line;
  }

  async #make(examples: readonly Example[], options: Omit<LinearOptions, 'solve'>): Promise<Fitted> {
    const { gate, solve } = this.#options;
    const model = await gate.through(() => fitLinear(examples, { ...options, solve }));
    return { model, predict: (example) => predictLinear(model, options.features, example) };
  }
}

function labelOf(label: string, without: readonly string[]): string {
  return without.length === 0 ? label : `${label}, without ${without.join(' and ')}`;
}
