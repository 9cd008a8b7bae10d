import { expect } from 'vitest';
import { Alerts } from '../../src/guard/alerts.js';
import { resolveConfig } from '../../src/guard/config.js';
import type { GuardConfigInput } from '../../src/guard/config-schema.js';
import type { AlertEvent, TickEvent } from '../../src/guard/events.js';
import type { PairStatistics } from '../../src/metrics/index.js';
import { score, statistics, tick } from './samples.js';

type RuleName = 'accuracy' | 'trend' | 'conflict' | 'nonFinite' | 'domain';
type AlertOptions = NonNullable<GuardConfigInput['alerts']>;

/** The rules of a configuration in which only `rule` is on. */
export function only<Name extends RuleName>(rule: Name, options: AlertOptions[Name] = {}): Alerts {
  const off = { enabled: false };
  const all = { accuracy: off, trend: off, conflict: off, nonFinite: off, domain: off };
  return new Alerts(resolveConfig({ alerts: { ...all, [rule]: { enabled: true, ...options } } }).alerts);
}

/** Runs ticks through the rules; the statistics are healthy unless given. */
export function run(
  alerts: Alerts,
  ticks: readonly TickEvent[],
  measured: PairStatistics = statistics(0),
): AlertEvent[] {
  return ticks.flatMap((each) => {
    const checked = alerts.check(each, measured);
    expect(checked.failures).toEqual([]);
    return checked.alerts;
  });
}

/** "raised@20 cleared@40" */
export function told(events: readonly AlertEvent[]): string {
  return events.map(({ state, step }) => `${state}@${step}`).join(' ');
}

/** Ticks at steps 0, 10, 20 ... with that predicted accuracy. */
export function predicted(
  values: readonly (number | null)[],
  quantity: 'raw' | 'value' = 'raw',
): TickEvent[] {
  return values.map((value, i) =>
    tick(i * 10, {
      scores: [score(quantity === 'raw' ? { value, raw: value } : { value, raw: null })],
    }),
  );
}
