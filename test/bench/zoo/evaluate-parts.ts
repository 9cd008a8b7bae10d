import type { NamedTensors } from '../../../src/tensors/index.js';
import { summarise } from '../../../src/zoo/train.js';
import type { ZooEvaluators } from '../../../src/zoo/zoo-evaluators.js';
import { CALIBRATION_SIZES, type CalibrationSize, type Evaluated, type PartsEvaluated } from './zoo-table.js';

interface Model {
  readonly encoder: NamedTensors;
  readonly head: NamedTensors;
}

/** A model on the test images of a task (the first `testSamples`) and on its nested calibration subsets. */
export async function evaluateParts(
  evaluators: ZooEvaluators,
  task: string,
  model: Model,
  testSamples: number | undefined,
): Promise<PartsEvaluated> {
  const [test, calibration] = await Promise.all([
    evaluators.evaluate({ task, part: 'test', samples: testSamples, ...model }),
    evaluateCalibration(evaluators, task, model),
  ]);
  const { accuracy, loss, samples } = test;
  return { test: { accuracy, loss, samples }, calibration };
}

/** One pass over the largest subset makes them all. */
export async function evaluateCalibration(
  evaluators: ZooEvaluators,
  task: string,
  model: Model,
): Promise<PartsEvaluated['calibration']> {
  const largest = Math.max(...CALIBRATION_SIZES.map(Number));
  const each = await evaluators.evaluate({ task, part: 'calibration', samples: largest, ...model });
  const subsets = CALIBRATION_SIZES.map((size) => [size, summarise(each, Number(size))] as const);
  return Object.fromEntries(subsets) as Record<CalibrationSize, Evaluated>;
}
