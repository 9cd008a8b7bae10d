import { firstValueFrom, toArray } from 'rxjs';
import { expect } from 'vitest';
import type { Fingerprint } from '../../src/fingerprint/index.js';
import {
  createGuard,
  eventSchema,
  type Guard,
  type GuardConfigInput,
  type GuardEvent,
  type Observation,
  resolveConfig,
} from '../../src/guard/index.js';
import { setup } from './samples.js';

export function guardOf(options: GuardConfigInput = {}, fingerprint: Fingerprint | null = null): Guard {
  return createGuard(setup, resolveConfig(options), fingerprint);
}

/** Every event of a run in which these observations are handed over, each worked on before the next. */
export async function run(
  observations: readonly Observation[],
  options: GuardConfigInput = {},
  fingerprint: Fingerprint | null = null,
): Promise<GuardEvent[]> {
  const guard = guardOf(options, fingerprint);
  const all = firstValueFrom(guard.events.pipe(toArray()));
  for (const each of observations) {
    guard.observe(each);
    await Promise.resolve();
  }
  await guard.close('done');
  const events = await all;
  for (const event of events) {
    expect(eventSchema.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
  }
  return events;
}

export function of<Name extends GuardEvent['event']>(events: readonly GuardEvent[], name: Name) {
  return events.filter((event): event is Extract<GuardEvent, { event: Name }> => event.event === name);
}

export const names = (events: readonly GuardEvent[]) => events.map(({ event }) => event);
