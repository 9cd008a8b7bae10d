import { points, pointsRange } from '../../../src/fingerprint/lines.js';
import type { SampleGain } from './equal-samples.js';
import type { MethodFigures } from './method-figures.js';
import { EQUAL_SAMPLES } from './predictors.js';

type Methods = Readonly<Record<string, MethodFigures>>;

/** Where metrics do not beat effects or their null, and where everything together is not clearly better than the probe. */
export function verdictSentences(methods: Methods): string[] {
  const entries = Object.entries(methods);
  const named = (holds: (figures: MethodFigures) => boolean) =>
    entries.filter(([, figures]) => holds(figures)).map(([name]) => name);
  return [
    sentence(
      'Metrics alone do not rank partners better than task effects (r in fold)',
      named(effectsRankBetter),
    ),
    sentence(
      'Metrics alone do not predict closer than task effects (mean absolute error)',
      named(effectsAreCloser),
    ),
    sentence(
      'Metrics alone rank no better than metrics of the wrong tasks do (95 % point of the relabellings)',
      named(isInsideNull),
    ),
    ...EQUAL_SAMPLES.flatMap(({ samples }) => {
      const than = `than the probe at ${samples} samples`;
      const gain = (figures: MethodFigures) => gainAt(samples, figures);
      return [
        sentence(
          `All together is clearly better ${than} (interval above zero)`,
          named((figures) => gain(figures).low > 0),
        ),
        sentence(
          `All together is NOT clearly better ${than}`,
          named((figures) => gain(figures).low <= 0),
        ),
        sentence(
          `All together is worse ${than} on these pairs`,
          named((figures) => gain(figures).value < 0),
        ),
      ];
    }),
  ];
}

/** All merge methods at once: one interval, which is narrower than theirs where they do not err alike. */
export function togetherSentences(gains: readonly SampleGain[]): string[] {
  return gains.map(
    ({ samples, mae, better, tasks }) =>
      `All merge methods at once, ${samples} samples: everything together is off by ${points(Math.abs(mae.value))} points ` +
      `${mae.value > 0 ? 'less' : 'more'} than the probe, gain ${pointsRange([mae.low, mae.high])}; ${better} of ${tasks} tasks better.`,
  );
}

/** What the benchmark was to reach, met or not. */
export function aimSentences(methods: Methods): string[] {
  const probes = ['weight_avg', 'tsv'].flatMap((name) => aim(methods, name, 'probe128', 0.017));
  return [...probes, ...['weight_avg', 'tsv'].flatMap((name) => aim(methods, name, 'all', 0.01))];
}

function aim(methods: Methods, method: string, predictor: string, most: number): string[] {
  const mae = methods[method]?.predictors[predictor]?.mae.mean ?? null;
  return mae === null
    ? []
    : [
        `${method}, ${predictor}: off by ${points(mae)} points, aim at most ${points(most, 1)}: ${mae <= most ? 'reached' : 'MISSED'}.`,
      ];
}

function sentence(what: string, methods: readonly string[]): string {
  return `${what}: ${methods.length > 0 ? methods.join(', ') : 'no method'}.`;
}

function effectsRankBetter({ predictors: { metrics, effects } }: MethodFigures): boolean {
  return isLess(metrics?.r.mean, effects?.r.mean);
}

function effectsAreCloser({ predictors: { metrics, effects } }: MethodFigures): boolean {
  return isLess(effects?.mae.mean, metrics?.mae.mean);
}

function isInsideNull({ predictors: { metrics }, null: nulls }: MethodFigures): boolean {
  return isLess(metrics?.r.mean, nulls?.r95);
}

/** False where one of them is not known: then nothing can be said. */
function isLess(a: number | null | undefined, b: number | null | undefined): boolean {
  return typeof a === 'number' && typeof b === 'number' && a <= b;
}

/** NaN, which no comparison holds for, where it could not be computed. */
function gainAt(count: number, { gains }: MethodFigures) {
  return gains.find(({ samples }) => samples === count)?.mae ?? { value: Number.NaN, low: Number.NaN };
}
