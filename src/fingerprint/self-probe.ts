import {
  coverageOf,
  figuresOf,
  foldsOf,
  type HeldOut,
  leaveOneTaskOut,
  residuals,
} from './cross-validate.js';
import type { Example } from './linear-model.js';
import type { Program, Solution } from './program.js';
import { fitScaling } from './scaling.js';
import type { SelfProbeFit } from './schema.js';
import { deviation, mean, rootMeanSquare } from './statistics.js';
import { type NumberedRow, sizeProblem } from './table.js';

interface Line {
  readonly slope: number;
  readonly offset: number;
}

export interface SelfProbeOptions {
  readonly method: string;
  readonly directed: boolean;
  readonly level: number;
  /** s of base + s tau that the ratios were taken at */
  readonly scale: number;
  readonly solve: (program: Program) => Promise<Solution>;
}

/** Rows that have both a self-probe and an outcome; too few of them, or one ratio only: none. */
export function selfProbeExamples(rows: readonly NumberedRow[], method: string): Example[] {
  const usable = rows.filter((row) => row.selfProbe !== null && typeof row.outcomes[method] === 'number');
  const ratios = usable.map((row) => row.selfProbe as number);
  if (sizeProblem(usable) !== null || fitScaling(ratios) === null) {
    return [];
  }
  return usable.map((row) => ({
    id: row.id,
    taskA: row.taskA,
    taskB: row.taskB,
    values: [row.selfProbe as number],
    outcome: row.outcomes[method] as number,
  }));
}

/** Programs that fitSelfProbe solves. */
export function selfProbePrograms(examples: readonly Example[], directed: boolean): number {
  return examples.length === 0 ? 0 : foldsOf(examples, directed).length + 1;
}

/** outcome = offset + slope * ratio by least absolute deviations, no penalty, with LOTO figures. */
export async function fitSelfProbe(
  examples: readonly Example[],
  options: SelfProbeOptions,
): Promise<{ fit: SelfProbeFit; heldOut: HeldOut[] } | null> {
  if (examples.length === 0) {
    return null;
  }
  const { method, directed, level, scale, solve } = options;
  const [line, heldOut] = await Promise.all([
    fitLine(examples, `${method}, self-probe`, solve),
    leaveOneTaskOut(examples, directed, async (train, fold) => {
      const { slope, offset } = await fitLine(train, `${method}, self-probe, without ${fold}`, solve);
      return (example) => offset + slope * example.values[0];
    }),
  ]);
  const domain = fitScaling(examples.map((example) => example.values[0]));
  if (domain === null) {
    throw new Error('selfProbeExamples lets no constant ratio through');
  }
  const fit: SelfProbeFit = {
    rows: examples.length,
    scale,
    ...line,
    deviation: rootMeanSquare(residuals(heldOut)),
    low: domain.low,
    high: domain.high,
    loto: { ...figuresOf(heldOut), coverage: coverageOf(heldOut, level) },
  };
  return { fit, heldOut };
}

async function fitLine(
  examples: readonly Example[],
  label: string,
  solve: (program: Program) => Promise<Solution>,
): Promise<Line> {
  const ratios = examples.map((example) => example.values[0]);
  const outcomes = examples.map((example) => example.outcome);
  const x = { center: mean(ratios), unit: deviation(ratios) || 1 };
  const y = { center: mean(outcomes), unit: deviation(outcomes) || 1 };
  const { weights, intercept } = await solve({
    label,
    features: ratios.map((ratio) => [(ratio - x.center) / x.unit]),
    target: outcomes.map((outcome) => (outcome - y.center) / y.unit),
    members: outcomes.map(() => []),
    effects: 0,
    penalty: 0,
  });
  const slope = (y.unit * weights[0]) / x.unit;
  return { slope, offset: y.center + y.unit * intercept - slope * x.center };
}
