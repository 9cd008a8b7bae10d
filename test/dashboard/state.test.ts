import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error: a plain browser module, without declarations
import { apply, createState, keyOf, MOST_TICKS, namesOf, shownOf } from '../../src/dashboard/state.js';
import { eventSchema, type GuardEvent, PROTOCOL, type TickEvent } from '../../src/guard/events.js';
import { METHODS, REFERENCES, sampleEvents } from './sample-events.js';

function stateAfter(events: readonly GuardEvent[]) {
  const state = createState();
  for (const event of events) {
    apply(state, event);
  }
  return state;
}

const ticks = (events: readonly GuardEvent[]) => events.filter((event) => event.event === 'tick');

describe('the sample events', () => {
  it('are events of the vocabulary, the same every time', () => {
    for (const event of sampleEvents()) {
      expect(eventSchema.parse(event)).toEqual(event);
    }
    expect(sampleEvents()).toEqual(sampleEvents());
  });
});

it('the page is written for the protocol that the guard speaks', () => {
  // The page imports nothing of the guard.
  const header = readFileSync(new URL('../../src/dashboard/header.js', import.meta.url), 'utf8');
  expect(header).toContain(`const PROTOCOL = ${PROTOCOL};`);
});

describe('the state of the page', () => {
  it('holds the run, its history, alerts newest first, open alerts, steers and probes', () => {
    const events = sampleEvents();
    const run = stateAfter(events).runs.get('kannada-7');
    expect(run.hello.backend).toBe('wasm');
    expect(run.points).toHaveLength(100);
    expect(run.tick).toEqual(ticks(events).at(-1));
    expect(run.alerts.map((alert: GuardEvent) => alert.step)).toEqual([340, 280, 200, 120]);
    expect([...run.open.values()].map((alert: { rule: string }) => alert.rule)).toEqual([
      'accuracy',
      'non-finite',
    ]);
    expect(run.steers.map((steer: GuardEvent) => steer.step)).toEqual([284, 0]);
    expect(run.probes.get(keyOf('ties', 'mnist')).accuracy).toBe(0.861);
    expect(run.end.status).toBe('done');
    expect(namesOf(run)).toEqual({ references: REFERENCES, methods: METHODS });
  });

  it('does not change when the server repeats events after a reconnect', () => {
    const events = sampleEvents();
    const once = stateAfter(events);
    expect(stateAfter([...events, ...events])).toEqual(once);
  });

  it('sorts late ticks in by step', () => {
    const [hello, ...rest] = sampleEvents({ ticks: 6, end: false });
    const shuffled = ticks(rest).reverse();
    const run = stateAfter([hello!, ...shuffled]).runs.get('kannada-7');
    expect(run.points.map((point: { step: number }) => point.step)).toEqual([0, 4, 8, 12, 16, 20]);
    expect(run.tick.step).toBe(20);
  });

  it('keeps a bounded history: coarser when old, first within a stretch, newest always there', () => {
    const [hello] = sampleEvents({ ticks: 1 });
    const tick = ticks(sampleEvents({ ticks: 2 }))[1] as TickEvent;
    const many = Array.from({ length: 3 * MOST_TICKS }, (_, step) => ({ ...tick, step }));
    const steps = stateAfter([hello!, ...many])
      .runs.get('kannada-7')
      .points.map((point: { step: number }) => point.step);
    expect(steps.length).toBeLessThanOrEqual(MOST_TICKS);
    expect(steps.length).toBeGreaterThan(MOST_TICKS / 4);
    expect(steps.at(-1)).toBe(3 * MOST_TICKS - 1);
    expect(steps[0]).toBeLessThan(8);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  });

  it('starts anew when a run of the same name says hello at another time', () => {
    const events = sampleEvents();
    const hello = { ...events[0]!, time: '2025-02-01T00:00:00.000Z' };
    const run = stateAfter([...events, hello]).runs.get('kannada-7');
    expect(run.points).toHaveLength(0);
    expect(run.end).toBeNull();
  });

  it('stays with a live run, and goes on to the next one after its end', () => {
    const live = sampleEvents({ run: 'a', ticks: 3, end: false });
    const ended = sampleEvents({ run: 'a', ticks: 3 });
    const next = sampleEvents({ run: 'b', ticks: 3 });
    expect(stateAfter([...live, ...next]).current).toBe('a');
    expect(stateAfter([...ended, ...next]).current).toBe('b');
  });

  it('scales the interval with the raw value, and says nothing where there is none', () => {
    const score = { value: 0.8, low: 0.7, high: 0.9, raw: 0.4 };
    expect(shownOf(score, false)).toEqual({ value: 0.8, low: 0.7, high: 0.9 });
    const raw = shownOf(score, true);
    expect(raw.value).toBe(0.4);
    expect(raw.low).toBeCloseTo(0.35, 12);
    expect(raw.high).toBeCloseTo(0.45, 12);
    expect(shownOf({ ...score, raw: null }, true)).toEqual({ value: null, low: null, high: null });
    expect(shownOf({ ...score, value: 0, raw: 0 }, true)).toEqual({ value: 0, low: null, high: null });
  });
});
