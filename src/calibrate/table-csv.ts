import { matrixCsv } from '../at-rest/index.js';
import type { MeasuredPair } from './outcomes.js';

/** The table as `fit` reads it: metrics, `self_probe`, and both outcomes of every merge method; nulls empty. */
export function tableCsv(pairs: readonly MeasuredPair[], methods: readonly string[]): string {
  const header = [
    'self_probe',
    ...methods.map((id) => `normalized_acc_${id}`),
    ...methods.map((id) => `acc_${id}`),
  ];
  const cells = pairs.map(({ selfProbe, outcomes, accuracies }) => [
    selfProbe,
    ...methods.map((id) => outcomes[id] ?? null),
    ...methods.map((id) => accuracies[id] ?? null),
  ]);
  const metrics = matrixCsv({
    pairs: pairs.map(({ taskA, taskB, metrics }) => ({ a: taskA, b: taskB, metrics, reasons: {} })),
  });
  // names with ends of lines in them are no names of models here
  const lines = metrics.trimEnd().split('\n');
  const more = [header, ...cells.map((row) => row.map((value) => value ?? ''))];
  return `${lines.map((line, at) => [line, ...more[at]!].join(',')).join('\n')}\n`;
}
