import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import { EventStream } from '../../src/guard/event-stream.js';
import type { EndEvent, GuardEvent } from '../../src/guard/events.js';
import type { Guard, Observation, RunSetup } from '../../src/guard/types.js';

export const TIME = '2026-01-02T03:04:05.000Z';
const at = (run: string, step: number) => ({ run, time: TIME, step });

export function hello(run: string, config: Record<string, unknown> = {}): GuardEvent {
  const coverage = { matched: 2, total: 3, parameters: 0.9, excluded: [] };
  const names = { version: '0.0.0', protocol: 4, backend: 'cpu', references: [], methods: [] } as const;
  return {
    event: 'hello',
    ...at(run, 0),
    ...names,
    references: [],
    methods: [],
    fingerprint: null,
    fingerprintLimits: [],
    coverage,
    config,
  };
}

/** `padding` bytes make it as large as a test needs. */
export function tick(run: string, step: number, padding = 0): GuardEvent {
  return {
    event: 'tick',
    ...at(run, step),
    pairs: [{ reference: 'x'.repeat(padding), metrics: { angle: 90 }, reasons: {}, scores: [] }],
    ages: {},
    pool: [],
    live: { tauNorm: 1, gradientNorm: null },
    selfProbe: null,
    cost: {
      stepMs: 1,
      foldMs: null,
      tickMs: null,
      probeMs: null,
      slowMs: null,
      functionalMs: null,
      termMs: null,
      overhead: 0.01,
      every: 10,
    },
    dropped: { ticks: 0, nonFinite: 0, perturbed: 0 },
  };
}

export function alert(run: string, step: number, padding = 0): GuardEvent {
  const state = 'raised' as const;
  const level = 'warning' as const;
  const text = 'y'.repeat(padding);
  return {
    event: 'alert',
    ...at(run, step),
    rule: 'accuracy',
    state,
    level,
    title: 'Low',
    text,
    evidence: {},
  };
}

export function steer(run: string, step: number): GuardEvent {
  const terms = [{ term: 'scale_jitter', strength: 1, parameters: { low: 0.2 } }];
  return { event: 'steer', ...at(run, step), terms, lifetimeSteps: null, reason: 'test' };
}

export function progress(run: string, step: number): GuardEvent {
  return { event: 'progress', ...at(run, step), phase: 'train', done: step, total: 100 };
}

export function end(run: string, step: number): GuardEvent {
  return { event: 'end', ...at(run, step), status: 'done', summary: { accuracy: 0.9 } };
}

export function setupOf(run: string, references = ['a']): RunSetup {
  const coverage = { matched: 1, total: 1, parameters: 1, excluded: [] };
  return { run, backend: 'cpu', references: references.map((name) => ({ name, limits: [] })), coverage };
}

/** One reference `a`, one tensor `w`, and NaN, infinity where a run can have them. */
export function observation(run: string, step: number): Observation {
  return {
    statistics: {
      run,
      step,
      time: TIME,
      references: ['a'],
      tensors: [{ name: 'w', shape: [2, 3] }],
      pair: Float32Array.from([1, 2, 3, 4, 5, 6, Number.NaN, Number.NaN]),
      live: Float32Array.from([1, 2, 2, 2, Number.NaN]),
      ref: Float32Array.from([3, 4, 2, 2, 2]),
      functional: new Float32Array(8).fill(Number.NaN),
      gradient: null,
      referenceGradients: [null],
      absent: { bottom: 'not measured yet' },
      referenceAbsent: [{ activation: 'no calibration samples' }],
      measuredAt: { spectra: 0 },
      selfProbe: null,
    },
    cost: {
      stepMs: 1,
      foldMs: null,
      tickMs: null,
      probeMs: null,
      slowMs: null,
      functionalMs: null,
      termMs: null,
      overhead: null,
      every: 10,
    },
    skipped: { nonFinite: 0, perturbed: 0 },
  };
}

/** A guard that answers every observation with a tick, and with a steer first if it is step 1. */
export class FakeGuard implements Guard {
  readonly stream = new EventStream();
  readonly events = this.stream.events;
  readonly observed: Observation[] = [];
  /** resolves when `close` was called */
  readonly closed: Promise<{ status: string; reason?: string; summary: Record<string, unknown> }>;
  #close!: (how: { status: string; reason?: string; summary: Record<string, unknown> }) => void;

  constructor(
    readonly run: string,
    config: Record<string, unknown> = {},
  ) {
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
    this.stream.emit(hello(run, config));
  }

  observe(observation: Observation): void {
    const { step } = observation.statistics;
    this.observed.push(observation);
    if (step === 1) {
      this.stream.emit(steer(this.run, step));
    }
    this.stream.emit(tick(this.run, step));
  }

  publish(event: GuardEvent): void {
    this.stream.emit(event);
  }

  async close(status: EndEvent['status'], summary: Record<string, unknown> = {}, reason?: string) {
    this.stream.emit({ event: 'end', ...at(this.run, 0), status, summary, reason });
    this.#close({ status, summary, reason });
  }
}

/** A WebSocket client whose messages are awaited one by one. */
export class Client {
  readonly closed: Promise<{ code: number; reason: string }>;
  #messages: string[] = [];
  #wake: (() => void) | null = null;
  #isClosed = false;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => {
      this.#messages.push(String(data));
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true;
        this.#wake?.();
        resolve({ code, reason: String(reason) });
      });
    });
  }

  static async open(url: string, path: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(new WebSocket(url.replace('http', 'ws') + path, options));
    await once(client.socket, 'open');
    return client;
  }

  /** The next message as JSON; fails when the connection closes first. */
  async next(): Promise<GuardEvent & { type?: string; message?: string }> {
    while (this.#messages.length === 0) {
      if (this.#isClosed) {
        throw new Error('the connection is closed');
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return JSON.parse(this.#messages.shift()!);
  }

  /** `event@step` of the next `count` messages. */
  async names(count: number): Promise<string[]> {
    const names: string[] = [];
    while (names.length < count) {
      const { event, step } = await this.next();
      names.push(`${event}@${step}`);
    }
    return names;
  }

  send(message: unknown): void {
    this.socket.send(message instanceof Uint8Array ? message : JSON.stringify(message));
  }
}

/** The HTTP answer to a refused WebSocket upgrade. */
export async function refusal(url: string, path: string, options: ClientOptions = {}) {
  const socket = new WebSocket(url.replace('http', 'ws') + path, options);
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  const body = JSON.parse((await response.setEncoding('utf8').toArray()).join(''));
  socket.terminate();
  return { status: response.statusCode as number, error: body.error as string };
}
