import type { BackendName } from '../../../src/backend/index.js';
import { columnTables } from '../../../src/cli/columns.js';
import { mean } from '../../../src/fingerprint/statistics.js';
import { LEVEL, type Ratio, ratioOf } from './block-ratio.js';
import type { Answer, Measured } from './measure-child.js';
import { MODEL_NAMES, type ModelName } from './models.js';

/** What issue 7 asks of the two. */
const LARGEST_OVERHEAD = 0.02;
const TENSORFLOW_OVER_WASM = 3;
const WIDTH = 200;

/** One line of the table. */
export interface Row {
  readonly backend: BackendName;
  readonly model: ModelName;
  readonly answer: Answer;
  /** why there is no guard in it; null where there is */
  readonly unguarded: string | null;
}

/** @param left backends that were not asked for */
export function tableLines(rows: readonly Row[], left: readonly BackendName[]): string[] {
  const titles = [
    'parameters',
    'plain ms',
    'guarded ms',
    'ratio',
    `${100 * LEVEL} % of pairs`,
    'of CPU time',
    'pairs x steps',
    'ticks',
    'folds',
    'own account',
    'set-up s',
  ];
  const lines: string[] = [];
  const cells = rows.flatMap(({ backend, model, answer }) =>
    'measured' in answer ? [{ head: `${backend} ${model}`, cells: cellsOf(answer.measured) }] : [],
  );
  if (cells.length > 0) {
    lines.push(...columnTables('backend, model', titles, cells, WIDTH), '');
  }
  const devices = new Map(
    rows.flatMap(({ backend, answer }) =>
      'measured' in answer ? [[backend, answer.measured.device] as const] : [],
    ),
  );
  lines.push(...[...devices].map(([backend, device]) => `${backend}: ${device}`));
  for (const { backend, model, answer, unguarded } of rows) {
    if ('measured' in answer && unguarded !== null) {
      lines.push(`without a guard: ${model} on ${backend}: ${oneLine(unguarded)}`);
    }
    if ('problem' in answer) {
      lines.push(`not measured: ${model} on ${backend}: ${oneLine(answer.problem)}`);
    }
  }
  lines.push(...left.map((backend) => `not measured: ${backend}: --backends did not name it`));
  return lines;
}

function cellsOf(measured: Measured): string[] {
  const { plain, guarded, stepsPerBlock } = measured;
  const wall = guarded && ratioOf(plain.wall, guarded.wall);
  return [
    `${(measured.parameters / 1e6).toFixed(2)} M`,
    (mean(plain.wall) / stepsPerBlock).toFixed(2),
    guarded ? (mean(guarded.wall) / stepsPerBlock).toFixed(2) : '–',
    wall ? wall.value.toFixed(4) : '–',
    wall ? intervalText(wall) : '–',
    guarded ? ratioOf(plain.cpu, guarded.cpu).value.toFixed(4) : '–',
    `${plain.wall.length} x ${stepsPerBlock}`,
    String(measured.ticks),
    String(measured.folds),
    measured.overhead === null ? '–' : `${(100 * measured.overhead).toFixed(2)} %`,
    measured.setupSeconds.toFixed(1),
  ];
}

function intervalText({ interval }: Ratio): string {
  return interval === null ? '–' : interval.map((value) => value.toFixed(4)).join('–');
}

/** As soon as it is known: what comes after may be cut off. */
export function shortLine(answer: Answer): string {
  if ('problem' in answer) {
    return oneLine(answer.problem);
  }
  const { plain, guarded, stepsPerBlock } = answer.measured;
  const ms = ({ wall }: { wall: readonly number[] }) => (mean(wall) / stepsPerBlock).toFixed(2);
  return guarded
    ? `${ms(plain)} ms plain, ${ms(guarded)} ms guarded, ratio ${ratioOf(plain.wall, guarded.wall).value.toFixed(4)}`
    : `${ms(plain)} ms plain`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}

/** What is to be reached, and whether it is, of what was measured. */
export function verdictLines(rows: readonly Row[]): string[] {
  const lines: string[] = [];
  for (const { backend, model, answer } of rows) {
    if (backend === 'tensorflow' && 'measured' in answer && answer.measured.guarded) {
      const { plain, guarded } = answer.measured;
      const ratio = ratioOf(plain.wall, guarded.wall);
      const over = (value: number) => `${(100 * (value - 1)).toFixed(2)} %`;
      lines.push(
        `guard overhead on tensorflow, ${model}: ${over(ratio.value)} (at most ${100 * LARGEST_OVERHEAD} %): ${overheadVerdict(ratio)}`,
      );
    }
  }
  for (const model of MODEL_NAMES) {
    const [tensorflow, wasm] = (['tensorflow', 'wasm'] as const).map((name) => {
      const row = rows.find((each) => each.backend === name && each.model === model);
      return row && 'measured' in row.answer ? row.answer.measured : null;
    });
    if (tensorflow && wasm) {
      const faster = plainMs(wasm) / plainMs(tensorflow);
      const reached = faster >= TENSORFLOW_OVER_WASM ? 'reached' : 'not reached';
      lines.push(
        `tensorflow over wasm, the same plain step, ${model}: ${faster.toFixed(2)} times as fast (at least ${TENSORFLOW_OVER_WASM}): ${reached}`,
      );
    }
  }
  return lines;
}

/** By the interval, where there are blocks enough for one. */
function overheadVerdict({ value, interval }: Ratio): string {
  const most = 1 + LARGEST_OVERHEAD;
  if (interval === null) {
    return `not clear: ${value.toFixed(4)} is of too few pairs of blocks; give it more --seconds`;
  }
  const [low, high] = interval;
  if (low <= most && most < high) {
    return 'not clear: the interval has it inside; give it more --seconds, or a quieter machine';
  }
  return high <= most ? 'reached' : 'not reached';
}

function plainMs({ plain, stepsPerBlock }: Measured): number {
  return mean(plain.wall) / stepsPerBlock;
}
