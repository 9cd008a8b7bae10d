import { once } from 'node:events';
import { map, Subject, VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { conflate } from '../../src/guard/conflate.js';
import { EventStream } from '../../src/guard/event-stream.js';
import type { GuardEvent } from '../../src/guard/events.js';
import { tick } from './samples.js';

const moment = { run: 'run', time: '2026-01-02T03:04:05.000Z', step: 1 };

function alert(rule: string, state: 'raised' | 'cleared', reference: string): GuardEvent {
  const said = { level: 'warning', title: '', text: '', evidence: {} } as const;
  return { event: 'alert', ...moment, rule, state, reference, ...said };
}

const hello: GuardEvent = {
  event: 'hello',
  ...moment,
  version: '0.0.0',
  protocol: 4,
  backend: 'cpu',
  references: [],
  methods: [],
  fingerprint: null,
  fingerprintLimits: [],
  coverage: { matched: 0, total: 0, parameters: 0, excluded: [] },
  config: {},
};

describe('conflate', () => {
  function bench() {
    const scheduler = new VirtualTimeScheduler();
    const source = new Subject<string>();
    const seen: string[] = [];
    source
      .pipe(
        conflate(
          (older, newer) => `${older}+${newer}`,
          (value) => value.toUpperCase(),
          scheduler,
        ),
      )
      .subscribe({ next: (value) => seen.push(value), complete: () => seen.push('|') });
    return { scheduler, source, seen };
  }

  it('works outside the stack of whoever hands over', () => {
    const { scheduler, source, seen } = bench();
    source.next('a');
    expect(seen).toEqual([]);
    scheduler.flush();
    expect(seen).toEqual(['A']);
  });

  it('combines what waits with what comes', () => {
    const { scheduler, source, seen } = bench();
    for (const value of ['a', 'b', 'c']) {
      source.next(value);
    }
    scheduler.flush();
    source.next('d');
    scheduler.flush();
    expect(seen).toEqual(['A+B+C', 'D']);
  });

  it('takes a value that comes while it works as the next one', () => {
    const { scheduler, source, seen } = bench();
    const values = ['b', 'c'];
    source
      .pipe(
        conflate(
          (_, newer) => newer,
          (value) => value,
          scheduler,
        ),
      )
      .subscribe(() => {
        for (const value of values.splice(0)) {
          source.next(value);
        }
      });
    source.next('a');
    scheduler.flush();
    expect(seen).toEqual(['A', 'B+C']);
  });

  it('works on what waits before it completes', () => {
    const { scheduler, source, seen } = bench();
    source.next('a');
    source.complete();
    expect(seen).toEqual([]);
    scheduler.flush();
    expect(seen).toEqual(['A', '|']);
  });

  it('does nothing more once nobody listens', () => {
    const scheduler = new VirtualTimeScheduler();
    const source = new Subject<string>();
    const seen: string[] = [];
    const subscription = source
      .pipe(
        conflate(
          (_, newer) => newer,
          (value) => seen.push(value),
          scheduler,
        ),
      )
      .subscribe();
    source.next('a');
    subscription.unsubscribe();
    scheduler.flush();
    expect(seen).toEqual([]);
  });
});

describe('EventStream', () => {
  const at = { run: 'run-1', time: '2026-01-01T00:00:00.000Z' };
  const progress = (step: number): GuardEvent => ({
    event: 'progress',
    ...at,
    step,
    phase: 'train',
    done: step,
    total: 10,
  });
  const steer = (step: number): GuardEvent => ({
    event: 'steer',
    ...at,
    step,
    terms: [],
    lifetimeSteps: null,
    reason: 'test',
  });
  const end: GuardEvent = { event: 'end', ...at, step: 9, status: 'done', summary: {} };

  function listen(stream: EventStream): string[] {
    const seen: string[] = [];
    stream.events.subscribe({
      next: ({ event, step }) => seen.push(`${event}@${step}`),
      complete: () => seen.push('|'),
    });
    return seen;
  }

  it('gives late subscribers the last tick and the last steer, not what went by', () => {
    const stream = new EventStream();
    for (const event of [progress(0), steer(0), tick(1, {}), steer(2), tick(3, {}), progress(4)]) {
      stream.emit(event);
    }
    const seen = listen(stream);
    expect(seen).toEqual(['tick@3', 'steer@2']);
    stream.emit(progress(5));
    expect(seen).toEqual(['tick@3', 'steer@2', 'progress@5']);
  });

  it('tells late subscribers of the last merge probe of every pair, but of no run before', () => {
    const stream = new EventStream();
    const probe = (reference: string, step: number): GuardEvent => ({
      event: 'probe',
      ...moment,
      step,
      kind: 'merge',
      method: 'ties',
      reference,
      accuracy: 0.8,
      normalised: null,
      standardError: 0.1,
      loss: 1,
      samples: 16,
    });
    const late = () => {
      const seen: string[] = [];
      stream.events
        .subscribe((event) => seen.push(event.event === 'probe' ? `${event.reference} ${event.step}` : ''))
        .unsubscribe();
      return seen.filter((text) => text !== '');
    };
    stream.emit(hello);
    for (const event of [probe('mnist', 1), probe('greek', 2), probe('mnist', 3)]) {
      stream.emit(event);
    }
    expect(late().sort()).toEqual(['greek 2', 'mnist 3']);
    stream.emit(hello);
    expect(late()).toEqual([]);
  });

  it('tells late subscribers of all that a hook has had to say', () => {
    const stream = new EventStream();
    const said = { ...alert('internal', 'raised', 'mnist'), reference: undefined, level: 'warning' };
    for (const title of ['A steering term can not be followed', 'Ticks will be rare']) {
      stream.emit({ ...said, title } as GuardEvent);
    }
    const told: string[] = [];
    stream.events.subscribe((event) => event.event === 'alert' && told.push(event.title));
    expect(told).toEqual(['A steering term can not be followed', 'Ticks will be rare']);
  });

  it('tells late subscribers of the alerts that are still raised', () => {
    const stream = new EventStream();
    stream.emit(alert('accuracy', 'raised', 'mnist'));
    stream.emit(alert('accuracy', 'raised', 'kannada'));
    stream.emit(alert('conflict', 'raised', 'mnist'));
    stream.emit(alert('accuracy', 'cleared', 'mnist'));
    const told: string[] = [];
    stream.events.subscribe((event) => {
      told.push(event.event === 'alert' ? `${event.rule} ${event.reference} ${event.state}` : event.event);
    });
    expect(told).toEqual(['accuracy kannada raised', 'conflict mnist raised']);
  });

  it('completes at the end, also for whoever comes after it, and takes nothing more', () => {
    const stream = new EventStream();
    const early = listen(stream);
    stream.emit(tick(1, {}));
    stream.emit(end);
    stream.emit(tick(2, {}));
    expect(early).toEqual(['tick@1', 'end@9', '|']);
    expect(listen(stream)).toEqual(['tick@1', 'end@9', '|']);
  });

  it('keeps one order for all when a subscriber causes events', () => {
    const stream = new EventStream();
    stream.events.subscribe(({ event, step }) => {
      if (event === 'tick') {
        stream.emit(progress(step));
      }
    });
    const second = listen(stream);
    stream.emit(tick(1, {}));
    stream.emit(tick(2, {}));
    expect(second).toEqual(['tick@1', 'progress@1', 'tick@2', 'progress@2']);
  });

  it('loses nothing that a subscriber causes while it is told the past', () => {
    const stream = new EventStream();
    stream.emit(tick(1, {}));
    const seen: string[] = [];
    stream.events.subscribe(({ event, step }) => {
      seen.push(`${event}@${step}`);
      if (event === 'tick') {
        stream.emit(progress(step));
      }
    });
    expect(seen).toEqual(['tick@1', 'progress@1']);
  });

  it('lets a subscriber leave in the middle of the past', () => {
    const stream = new EventStream();
    stream.emit(steer(0));
    stream.emit(tick(1, {}));
    const seen: GuardEvent[] = [];
    const subscription = stream.events.subscribe((event) => {
      seen.push(event);
      queueMicrotask(() => subscription.unsubscribe());
    });
    stream.emit(tick(2, {}));
    expect(seen).toHaveLength(3);
  });
});

describe('a subscriber that fails', () => {
  it('becomes one warning of the process, and the others hear everything', async () => {
    const stream = new EventStream();
    const warned = once(process, 'warning');
    const heard: number[] = [];
    stream.events.subscribe(() => {
      throw new Error('a bug in a logging callback');
    });
    stream.events.pipe(map(({ step }) => step)).subscribe((step) => heard.push(step));
    stream.emit(tick(1, {}));
    stream.emit(tick(2, {}));
    const [warning] = (await warned) as [Error];
    expect(warning.message).toContain('a bug in a logging callback');
    expect(heard).toEqual([1, 2]);
  });

  it('forgets alerts of a run that begins anew', () => {
    const stream = new EventStream();
    stream.emit(alert('accuracy', 'raised', 'mnist'));
    stream.emit(hello);
    const told: string[] = [];
    stream.events.subscribe(({ event }) => told.push(event));
    expect(told).toEqual(['hello']);
  });
});
