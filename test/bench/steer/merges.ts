import { searchCoefficient } from '../../../src/merging/coefficient.js';
import { applyTau, mergeMethod } from '../../../src/merging/index.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import type { ZooEvaluators } from '../../../src/zoo/zoo-evaluators.js';
import type { Units } from '../common/units.js';
import type { TrainedModel } from './models.js';
import { COEFFICIENTS, type Samples } from './plan.js';
import type { MergeResult } from './steer-table.js';

/** Raised when a result comes to mean something else, so that those in a cache are made again. */
const FORMAT = 1;

/** Evaluates models alone and merged, each once and kept. */
export class Merges {
  readonly #base: NamedTensors;
  readonly #evaluators: ZooEvaluators;
  readonly #units: Units;
  readonly #samples: Samples;

  constructor(base: NamedTensors, evaluators: ZooEvaluators, units: Units, samples: Samples) {
    this.#base = base;
    this.#evaluators = evaluators;
    this.#units = units;
    this.#samples = samples;
  }

  /** Test accuracy of a model alone, a fraction. */
  single({ name, identity, reference, head }: TrainedModel): Promise<number> {
    const { test } = this.#samples;
    return this.#units.get(`single-${name}`, [FORMAT, identity, test], async () => {
      const encoder = applyTau(this.#base, reference.tau);
      const request = { task: name, part: 'test', samples: test, encoder, head } as const;
      return (await this.#evaluators.evaluate(request)).accuracy;
    });
  }

  /**
   * Merges models, at the coefficient with the lowest mean loss over all their tasks' calibration samples, and evaluates that one on their
   * test samples.
   */
  merged(models: readonly TrainedModel[], methodId: string): Promise<MergeResult> {
    const { id, parameters, merge } = mergeMethod(methodId);
    const grid = COEFFICIENTS[methodId];
    const inputs = [FORMAT, id, parameters, models.map(({ identity }) => identity), grid, this.#samples];
    const name = models.length > 2 ? `all-${models.length}` : models.map((model) => model.name).join('--');
    return this.#units.get(`merge-${name}-${id}`, inputs, async () => {
      const tau = merge(
        models.map(({ reference }) => reference.tau),
        this.#base,
      );
      const { best } = await searchCoefficient(
        (coefficient) => this.#calibration(models, applyTau(this.#base, tau, coefficient)),
        { grid, refinements: this.#samples.refinements },
      );
      const accuracy = await this.#test(models, applyTau(this.#base, tau, best.coefficient));
      return { coefficient: best.coefficient, calibration: best.outcome, accuracy };
    });
  }

  async #calibration(models: readonly TrainedModel[], encoder: NamedTensors) {
    const found = await Promise.all(
      models.map(({ name, head }) =>
        this.#evaluators.evaluate({
          task: name,
          part: 'calibration',
          samples: this.#samples.calibration,
          encoder,
          head,
        }),
      ),
    );
    const meanOf = (values: readonly number[]) =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      accuracy: meanOf(found.map(({ accuracy }) => accuracy)),
      loss: meanOf(found.map(({ loss }) => loss)),
    };
  }

  async #test(models: readonly TrainedModel[], encoder: NamedTensors): Promise<Record<string, number>> {
    const found = await Promise.all(
      models.map(async ({ name, head }): Promise<[string, number]> => {
        const request = { task: name, part: 'test', samples: this.#samples.test, encoder, head } as const;
        return [name, (await this.#evaluators.evaluate(request)).accuracy];
      }),
    );
    return Object.fromEntries(found);
  }
}
