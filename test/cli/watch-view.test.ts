import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, pad, plain, sparkline } from '../../src/cli/text.js';
import { eventLine, jsonLine, logLine, probeLine } from '../../src/cli/watch-lines.js';
import { EMPTY, reduce, render, steerLine, type WatchState } from '../../src/cli/watch-view.js';
import type { AlertEvent, GuardEvent, ProbeEvent, SteerEvent } from '../../src/guard/events.js';
import { RENEWAL } from '../../src/guard/types.js';
import { sampleEvents } from '../dashboard/sample-events.js';

const ESCAPE = '\u001b';

function stateAfter(events: readonly GuardEvent[]): WatchState {
  return events.reduce(reduce, EMPTY);
}

describe('reduce', () => {
  it('holds the run, the last tick, history, alerts newest first, steering and the end', () => {
    const state = stateAfter(sampleEvents());
    expect(state.run).toBe('kannada-7');
    expect(state.step).toBe(396);
    expect(state.tick?.step).toBe(396);
    expect([...state.history.values()].map((values) => values.length)).toEqual(Array(12).fill(100));
    expect(state.alerts.map((alert) => alert.step)).toEqual([340, 280, 200, 120]);
    expect(state.steer?.step).toBe(284);
    expect(state.end?.status).toBe('done');
  });

  it('leaves the state that it was given as it was', () => {
    const events = sampleEvents({ ticks: 5 });
    const before = stateAfter(events.slice(0, 8));
    const copy = structuredClone(before);
    stateAfter(events);
    reduce(before, events[8]!);
    expect(before).toEqual(copy);
  });

  it('counts what the server repeats once', () => {
    const events = sampleEvents({ ticks: 40 });
    const once = stateAfter(events);
    const tick = events.find((event) => event.event === 'tick' && event.step === 156)!;
    const alert = events.find((event) => event.event === 'alert')!;
    expect(stateAfter([...events, events[0]!, tick, alert])).toEqual(once);
  });

  it('keeps the last eight alerts and a bounded history', () => {
    const [hello] = sampleEvents({ ticks: 1 });
    const events = sampleEvents();
    const alert = events.find((event) => event.event === 'alert') as AlertEvent;
    const tick = events.find((event) => event.event === 'tick')!;
    const many = Array.from({ length: 1500 }, (_, step) => ({ ...tick, step }));
    const alerts = Array.from({ length: 20 }, (_, step) => ({ ...alert, step }));
    const state = stateAfter([hello!, ...many, ...alerts]);
    expect(state.alerts.map((each) => each.step)).toEqual([19, 18, 17, 16, 15, 14, 13, 12]);
    const lengths = [...state.history.values()].map((values) => values.length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(512);
    expect(Math.min(...lengths)).toBeGreaterThan(128);
  });

  it('stays with a live run, names the others, and goes on to the next after the end', () => {
    const other = sampleEvents({ run: 'b', ticks: 2 });
    const live = stateAfter([...sampleEvents({ run: 'a', ticks: 2, end: false }), ...other]);
    expect([live.run, ...live.others]).toEqual(['a', 'b']);
    const next = stateAfter([...sampleEvents({ run: 'a', ticks: 2 }), ...other]);
    expect([next.run, ...next.others]).toEqual(['b']);
  });

  it('starts anew when a run of the same name says hello at another time', () => {
    const events = sampleEvents({ ticks: 3 });
    const state = stateAfter([...events, { ...events[0]!, time: '2025-02-01T00:00:00.000Z' }]);
    expect(state.tick).toBeNull();
    expect(state.end).toBeNull();
    expect(state.history.size).toBe(0);
  });
});

describe('render', () => {
  it('says that it waits before a run says hello', () => {
    expect(render(EMPTY, { columns: 80, color: false })).toEqual(['connected; waiting for a run']);
  });

  it('shows run, progress, probe, overhead, scores, the scale, alerts and steering', () => {
    const text = render(stateAfter(sampleEvents()), { columns: 140, color: false }).join('\n');
    expect(text).toContain('mergeguard  kannada-7  wasm  step 396  ended: done');
    expect(text).toContain('train [##############################] 396/396 100.0 %  loss 0.108');
    expect(text).toContain(
      'self-probe 88.0 % at base + 0.5 tau  overhead 1.6 % of step time  ticks dropped 1',
    );
    expect(text).toContain('± half of the 80 % interval, ! outside domain, ▁ 60 █ 100');
    expect(text).toMatch(/omniglot-greek .* 64\.7 ±4\.0 ! .*▂/);
    expect(text).toContain('error    step 340  NaN in the gradients: step 337');
    expect(text).toContain('cleared  step 200  conflict is over');
    expect(text).toContain(
      'steer    step 284  scale_jitter x 1 for 50 steps, ended: predicted accuracy under its target',
    );
  });

  it('puts methods side by side where they fit and below each other where not', () => {
    const state = stateAfter(sampleEvents());
    const rows = (columns: number) =>
      render(state, { columns, color: false }).filter((line) => line.startsWith('omniglot-korean'));
    expect(rows(140)).toHaveLength(1);
    expect(rows(60)).toHaveLength(3);
  });

  it('shows a dash for a score that there is not', () => {
    const text = render(stateAfter(sampleEvents({ ticks: 1 })), { columns: 100, color: false }).join('\n');
    expect(text).toMatch(/mnist +–/);
  });

  it('never makes a line longer than the terminal, whatever its width', () => {
    const state = stateAfter(sampleEvents());
    for (let columns = 1; columns < 200; columns += 3) {
      for (const line of render(state, { columns, color: false })) {
        expect([...line].length).toBeLessThanOrEqual(columns);
      }
    }
  });

  it('colours only when told to, and says the same in either case', () => {
    const state = stateAfter(sampleEvents());
    const bare = render(state, { columns: 100, color: false });
    const coloured = render(state, { columns: 100, color: true });
    expect(bare.join('')).not.toContain(ESCAPE);
    expect(coloured.join('')).toContain(`${ESCAPE}[31merror`);
    const codes = new RegExp(`${ESCAPE}\\[\\d+m`, 'g');
    expect(coloured.map((line) => line.replaceAll(codes, ''))).toEqual(bare);
  });

  it('lets no control character of the wire through', () => {
    const hostile = `x${ESCAPE}[2J\u0007\u009b31m\u202e\ny`;
    const events = JSON.parse(
      JSON.stringify(sampleEvents())
        .replaceAll('"mnist"', JSON.stringify(hostile))
        .replaceAll('"ties"', JSON.stringify(hostile))
        .replaceAll('"wasm"', JSON.stringify(hostile))
        .replaceAll('"train"', JSON.stringify(hostile))
        .replaceAll('NaN in the gradients', JSON.stringify(hostile).slice(1, -1))
        .replaceAll('"scale_jitter"', JSON.stringify(hostile)),
    ) as GuardEvent[];
    const state = stateAfter(events.map((event) => ({ ...event, run: hostile })));
    const lines = [...render(state, { columns: 300, color: false }), ...events.map(eventLine)];
    for (const line of [...lines, ...events.map(jsonLine)]) {
      expect(line ?? '').not.toMatch(/\p{Cc}/u);
    }
    expect(lines.join('')).toContain('x[2J31my');
  });
});

describe('text', () => {
  it('draws a sparkline on a fixed scale', () => {
    expect(sparkline([0, 0.125, 0.5, 0.99, 1], 10, [0, 1])).toBe('▁▂▅██');
    expect(sparkline([-3, 7, null], 10, [0, 1])).toBe('▁█ ');
    expect(sparkline([0, 0, 1, 1], 2, [0, 1])).toBe('▁█');
    expect(sparkline([0, null, null, null], 2, [0, 1])).toBe('▁ ');
    expect(sparkline([0.5], 3, [0.5, 0.5])).toBe('▁');
    expect(sparkline([], 3, [0, 1])).toBe('');
  });

  it('never gives more characters than asked for, and covers every value', () => {
    const values = fc.array(fc.option(fc.double({ min: -1, max: 2, noNaN: true })), { maxLength: 300 });
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 60 }), (all, width) => {
        expect([...sparkline(all, width, [0, 1])]).toHaveLength(Math.min(width, all.length));
      }),
      { seed: 5 },
    );
  });

  it('cuts and fills by characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 30 }), (text, width) => {
        expect([...pad(text, width)]).toHaveLength(width);
        expect([...cut(text, width)].length).toBeLessThanOrEqual(width);
      }),
      { seed: 6 },
    );
    expect(pad('abc', 5)).toBe('abc  ');
    expect(pad('abcdef', 4)).toBe('abc…');
    expect(plain('a\u0000b\u2028c\u200fd')).toBe('abcd');
  });
});

describe('lines for a log', () => {
  it('of several runs name the run, and leave out what is frequent or only renewed', () => {
    const events = sampleEvents();
    const logged = events.filter((event) => logLine(event) !== null);
    expect(new Set(logged.map(({ event }) => event))).toEqual(
      new Set(
        events.map(({ event }) => event).filter((kind) => !['tick', 'probe', 'progress'].includes(kind)),
      ),
    );
    for (const event of logged) {
      expect(logLine(event)).toBe(`${event.run}: ${eventLine(event)}`);
    }
    const steer = events.find((event) => event.event === 'steer')!;
    expect(logLine({ ...steer, reason: 'it helps: 80 % after 78 %' })).toContain('it helps: 80 % after 78 %');
    expect(logLine({ ...steer, reason: RENEWAL })).toBeNull();
  });

  it('says each kind of event but progress in one line', () => {
    const events = sampleEvents();
    const lines = new Map(events.map((event) => [event.event, eventLine(event)]));
    expect(lines.get('progress')).toBeNull();
    expect(lines.get('hello')).toBe(
      'run      kannada-7 on wasm (@tensorflow/tfjs-backend-wasm 4.22.0), references mnist, notmnist, omniglot-korean, omniglot-greek',
    );
    expect(lines.get('tick')).toMatch(
      /^tick {5}step 396 {2}mnist: weight_avg 86\.9 %, .* \| overhead 1\.6 %$/,
    );
    const tick = events.filter((event) => event.event === 'tick').at(-1)!;
    const [first, second, ...others] = tick.pairs;
    const older = [{ ...first!, measuredAt: 380 }, { ...second!, measuredAt: null }, ...others];
    expect(eventLine({ ...tick, pairs: older })).toMatch(
      / mnist \(of step 380\): weight_avg .* \| notmnist \(not compared yet\): .* \| omniglot-korean: /,
    );
    const line =
      'probe    step 300  ties with mnist: accuracy 86.1 % ± 3.1, 90.2 % ± 1.4 normalised on 128 samples';
    expect(lines.get('probe')).toBe(`${line}; best with its task vector times 0.8: 88.2 %`);
    const probe = events.find(({ event }) => event === 'probe') as ProbeEvent;
    expect(probeLine({ ...probe, best: { ...probe.best!, coefficient: 1 } })).toBe(line);
    expect(probeLine({ ...probe, best: undefined })).toBe(line);
    expect(lines.get('end')).toBe('end      step 396  done');
  });
});

describe('a steer event as a line', () => {
  const steer: SteerEvent = {
    event: 'steer',
    run: 'r',
    time: '',
    step: 100,
    terms: [{ term: 'sharpness', strength: 0.25, parameters: {} }],
    lifetimeSteps: 90,
    fromStep: 110,
    reason: 'why',
    source: 'controller',
  };

  it('tells who ordered, from which step, for how long, and how far it has faded', () => {
    const line = 'steer    step 100  sharpness x 0.25 (controller) from step 110 for 90 steps';
    expect(steerLine(steer)).toBe(`${line}: why`);
    expect(steerLine(steer, 165)).toBe(`${line}: why`);
    expect(steerLine(steer, 185)).toBe(`${line}, faded to 50.0 %: why`);
    expect(steerLine(steer, 200)).toBe(`${line}, ended: why`);
  });

  it('is as it was for a guard that does not say more', () => {
    const { source: _, fromStep: __, ...old } = steer;
    expect(steerLine({ ...old, lifetimeSteps: null, terms: [] }, 900)).toBe(
      'steer    step 100  no terms: why',
    );
  });
});
