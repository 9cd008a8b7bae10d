import { foldsOf, type HeldOut, leaveOneTaskOut } from './cross-validate.js';
import { coverageOf, errorsOf, figuresOf } from './figures.js';
import type { FitterOptions } from './fitter.js';
import { fitLine } from './line.js';
import type { Example } from './linear-model.js';
import { fitScaling } from './scaling.js';
import type { SelfProbeFit } from './schema.js';
import { type NumberedRow, sizeProblem } from './table.js';

export interface SelfProbeOptions {
  readonly method: string;
  readonly directed: boolean;
  readonly level: number;
  /** s of base + s tau that the ratios were taken at */
  readonly scale: number;
  readonly fits: FitterOptions;
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
    checkpoint: row.checkpoint ?? null,
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
  const { method, directed, level, scale, fits } = options;
  const lineOf = async (rows: readonly Example[], label: string) => {
    const line = await fitLine(rows, { label, column: 0, solve: fits.solve });
    fits.onFit(label);
    return line;
  };
  const [{ slope, offset }, heldOut] = await Promise.all([
    lineOf(examples, `${method}, self-probe`),
    leaveOneTaskOut(examples, directed, async (train, [fold]) => {
      const line = await lineOf(train, `${method}, self-probe, without ${fold}`);
      return (example) => line.offset + line.slope * example.values[0];
    }),
  ]);
  const domain = fitScaling(examples.map((example) => example.values[0]));
  if (domain === null) {
    throw new Error('selfProbeExamples lets no constant ratio through');
  }
  const fit: SelfProbeFit = {
    rows: examples.length,
    scale,
    slope,
    offset,
    errors: errorsOf(heldOut),
    low: domain.low,
    high: domain.high,
    loto: { ...figuresOf(heldOut), coverage: coverageOf(heldOut, level) },
  };
  return { fit, heldOut };
}
