import type { PairStatistics } from '../metrics/index.js';
import { messageOf } from '../tensors/errors.js';
import type { GuardConfig } from './config-schema.js';
import type { AlertEvent, TickEvent } from './events.js';
import { Gate, type Reading, RULES, type Rule } from './rules/index.js';

/** Something that went wrong inside the guard; `reference` where it concerns only one. */
export interface Failure {
  readonly reference?: string;
  readonly message: string;
}

/** Run, time and step of an event. */
export type Moment = Pick<AlertEvent, 'run' | 'time' | 'step'>;

interface RuleAtWork {
  readonly name: string;
  readonly level: AlertEvent['level'];
  readonly gate: Gate;
  readonly check: Rule;
}

/** The enabled rules of one run. A rule that throws becomes a failure, the others go on. */
export class Alerts {
  readonly #rules: RuleAtWork[] = [];

  constructor(alerts: GuardConfig['alerts']) {
    for (const name of Object.keys(RULES) as (keyof typeof RULES)[]) {
      const options = alerts[name];
      if (options.enabled) {
        this.#rules.push({
          name,
          level: options.level,
          gate: new Gate(options.coolDownSteps),
          // each rule gets the options that its own schema has parsed
          check: RULES[name].create(options as never),
        });
      }
    }
  }

  check(tick: TickEvent, statistics: PairStatistics): { alerts: AlertEvent[]; failures: Failure[] } {
    const alerts: AlertEvent[] = [];
    const failures: Failure[] = [];
    const { run, time, step } = tick;
    for (const rule of this.#rules) {
      try {
        alerts.push(...alertsOf(rule, rule.check(tick, statistics), { run, time, step }));
      } catch (error) {
        failures.push({ message: `rule ${rule.name}: ${messageOf(error)}` });
      }
    }
    return { alerts, failures };
  }
}

/** Steps after which a failure that went and came back is told again. */
const INTERNAL_COOL_DOWN_STEPS = 100;

/** Failures of the guard itself as alerts of the rule `internal`: raised once a reference, cleared when gone. */
export class InternalAlerts {
  readonly #gate = new Gate(INTERNAL_COOL_DOWN_STEPS);
  readonly #seen = new Set<string | undefined>();

  /** The alerts for all failures of one tick. */
  check(failures: readonly Failure[], at: Moment): AlertEvent[] {
    const messages = new Map<string | undefined, string[]>();
    for (const { reference, message } of failures) {
      messages.set(reference, [...(messages.get(reference) ?? []), message]);
      this.#seen.add(reference);
    }
    const readings: Reading[] = [];
    for (const reference of this.#seen) {
      const found = messages.get(reference) ?? [];
      const where = reference === undefined ? '' : ` for ${reference}`;
      readings.push({
        ...(reference !== undefined && { reference }),
        signal: found.length > 0 ? 'raise' : 'clear',
        evidence: { failures: found.length },
        describe: (state) =>
          state === 'raised'
            ? {
                title: `the guard failed${where}: ${found[0]}`,
                text: `${found.join('; ')}. The training is not affected; what could not be computed is null.`,
              }
            : {
                title: `the guard works again${where}`,
                text: 'The last tick was worked on without a failure.',
              },
      });
    }
    return alertsOf({ name: 'internal', level: 'error', gate: this.#gate }, readings, at);
  }
}

function alertsOf(
  { name, level, gate }: Omit<RuleAtWork, 'check'>,
  readings: readonly Reading[],
  at: Moment,
): AlertEvent[] {
  const alerts: AlertEvent[] = [];
  for (const reading of readings) {
    const state = gate.update(reading, at.step);
    if (state === null) {
      continue;
    }
    const { reference, method, evidence } = reading;
    alerts.push({
      event: 'alert',
      ...at,
      rule: name,
      state,
      level,
      ...reading.describe(state),
      ...(reference !== undefined && { reference }),
      ...(method !== undefined && { method }),
      evidence,
    });
  }
  return alerts;
}
