import { foldBytes, referenceMemoryBytes, tapMemoryBytes, tickBytes } from '../../backend/index.js';
import type { DeviceReport } from './devices.js';

/** The model and the pool that the cost of the tap is told for. */
export interface Watched {
  readonly parameters: number;
  readonly references: number;
}

/** What a tick and a fold should cost on a device, at the rate of its copies. */
export interface TapCost extends Watched {
  readonly tickBytes: number;
  readonly tickMs: number;
  readonly foldBytes: number;
  readonly foldMs: number;
  /** on the device: base, gradient average and references */
  readonly memoryBytes: number;
  readonly referenceBytes: number;
  /** milliseconds of a training step from which a fold a step and a tick every TICK_EVERY keep within the default budget */
  readonly enoughStepMs: number;
}

/** The guard's default budget, a fraction of the step time. */
const BUDGET = 0.02;
const TICK_EVERY = 10;
const MOST_DIGITS = 3;

/** null where the device was not measured */
export function tapCost({ rates }: DeviceReport, { parameters, references }: Watched): TapCost | null {
  if (rates === null) {
    return null;
  }
  const ms = (bytes: number) => (1000 * bytes) / rates.copy.bytesPerSecond;
  const [tick, fold] = [tickBytes(parameters, references), foldBytes(parameters)];
  return {
    parameters,
    references,
    tickBytes: tick,
    tickMs: ms(tick),
    foldBytes: fold,
    foldMs: ms(fold),
    memoryBytes: tapMemoryBytes(parameters, references),
    referenceBytes: referenceMemoryBytes(parameters, references),
    enoughStepMs: (ms(fold) + ms(tick) / TICK_EVERY) / BUDGET,
  };
}

/** What was measured on a device, and what follows of it for the tap. */
export function deviceLines(report: DeviceReport, watched: Watched): string[] {
  const { backend, description, rates, memory, problem } = report;
  const heading = `\nMeasured on ${backend}, ${description}:`;
  const cost = tapCost(report, watched);
  if (rates === null || cost === null) {
    return [heading, `  failed: ${problem}`];
  }
  const line = (what: string, text: string) => `  ${what.padEnd(24)} ${text}`;
  const { copy, matrices } = rates;
  const whole = memory?.bytes ?? null;
  const share = whole === null ? '' : `, ${number((100 * cost.memoryBytes) / whole)} % of the device's`;
  return [
    heading,
    line(
      'copy on the device',
      `${amount(copy.bytesPerSecond, 'B/s')}, read and written (${amount(copy.bytes, 'B')} at a time)`,
    ),
    line(
      'product of matrices',
      `${amount(matrices.flopsPerSecond, 'FLOP/s')} in float32 (${matrices.size} x ${matrices.size})`,
    ),
    line('answer to a small read', `${duration(rates.answerMs)}`),
    line(
      'memory',
      whole === null ? `not known: ${memory?.source}` : `${amount(whole, 'B')}, ${memory?.source}`,
    ),
    `  The tap of ${amount(watched.parameters, '')}parameters with ${watched.references} references, at the rate of a copy:`,
    line('  a tick', `moves ${amount(cost.tickBytes, 'B')} at least: ${duration(cost.tickMs)}`),
    line('  a folded step', `moves ${amount(cost.foldBytes, 'B')} at least: ${duration(cost.foldMs)}`),
    line(
      '  memory',
      `${amount(cost.memoryBytes, 'B')} of base, gradient average and references (${amount(cost.referenceBytes, 'B')} of references)${share}`,
    ),
    line(
      '  within the budget',
      `a fold on every step and a tick every ${TICK_EVERY} take ${100 * BUDGET} % of steps of ${duration(cost.enoughStepMs)}; of shorter ones they come less often`,
    ),
  ];
}

/** "4.4 GB", three digits. */
function amount(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = Math.min(prefixes.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
  return `${number(value / 1000 ** power)} ${prefixes[power]}${unit}${unit === '' && power > 0 ? ' ' : ''}`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000)} s`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(MOST_DIGITS)));
}
