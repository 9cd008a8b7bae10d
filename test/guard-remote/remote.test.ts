import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { filter, firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { EventName, GuardEvent, SteerEvent } from '../../src/guard/events.js';
import { LastOrder } from '../../src/guard/last-order.js';
import { connectGuard, type RemoteGuard } from '../../src/guard/remote.js';
import { type Server, startServer } from '../../src/server/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';
import { FakeGuard, hello, observation, progress, setupOf, steer, tick } from '../server/support.js';

const guards: FakeGuard[] = [];
const open: { close(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  guards.length = 0;
});

async function serve(port = 0): Promise<Server> {
  const server = await startServer({
    port,
    openRun: (setup, config) => {
      if (config.wrong !== undefined) {
        throw new MergeguardError('option "wrong" is unknown');
      }
      const guard = new FakeGuard(setup.run, config);
      guards.push(guard);
      return guard;
    },
  });
  open.push(server);
  return server;
}

/** A server that behaves as `behave` says, for what a real one does not do. */
async function strangeServer(behave: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  open.push({
    close() {
      for (const client of server.clients) {
        client.terminate();
      }
      server.close();
    },
  });
  server.on('connection', behave);
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The next event of that name that is not just remembered: subscribe before it is caused. */
function coming(guard: RemoteGuard, name: EventName, also: (event: GuardEvent) => boolean = () => true) {
  return firstValueFrom(guard.events.pipe(filter((event) => event.event === name && also(event))));
}
const all = (guard: RemoteGuard) => lastValueFrom(guard.events.pipe(toArray()));

describe('connectGuard', () => {
  it('is a guard like one in this process', async () => {
    const { url } = await serve();
    const guard = await connectGuard(url, setupOf('r'), { overhead: 0.05 });
    const events = all(guard);
    const ticked = coming(guard, 'tick');
    guard.publish(progress('r', 0));
    guard.observe(observation('r', 1));
    await ticked;
    const late = guard.events.pipe(toArray());
    const lateEvents = lastValueFrom(late);
    await guard.close('done', { accuracy: 0.5 }, 'all steps taken');

    const names = (list: GuardEvent[]) => list.map(({ event }) => event);
    expect(names(await events)).toEqual(['hello', 'progress', 'steer', 'tick', 'end']);
    expect(names(await lateEvents)).toEqual(['hello', 'tick', 'steer', 'end']);
    expect((await events)[0]).toEqual(hello('r', { overhead: 0.05 }));
    expect((await events).at(-1)).toMatchObject({
      status: 'done',
      summary: { accuracy: 0.5 },
      reason: 'all steps taken',
    });
    expect(guards[0]!.observed).toEqual([observation('r', 1)]);
    expect(guard.dropped).toBe(0);
    guard.observe(observation('r', 2));
    guard.publish(progress('r', 2));
    await guard.close('failed');
  });

  it('closes when an end is published', async () => {
    const { url } = await serve();
    const guard = await connectGuard(url, setupOf('r'));
    const events = all(guard);
    guard.publish({ event: 'end', run: 'r', time: '', step: 1, status: 'detached', summary: {} });
    expect((await events).at(-1)).toMatchObject({ event: 'end', status: 'detached' });
    expect(await guards[0]!.closed).toMatchObject({ status: 'detached' });
  });

  it('fails before the first step when there is no server, or none that takes runs', async () => {
    const { port, close } = await startServer({ port: 0 });
    const url = `http://127.0.0.1:${port}`;
    await expect(connectGuard(url, setupOf('r'))).rejects.toThrow(
      'it belongs to one training and takes no runs of other processes',
    );
    await close();
    await expect(connectGuard(url, setupOf('r'))).rejects.toThrow(
      /^the guard server at ws:\/\/127.0.0.1:\d+\/v1\/produce can't be used: connect ECONNREFUSED .*; is "mergeguard serve" running there\?$/,
    );
    await expect(connectGuard(url, setupOf('r'))).rejects.toThrow(MergeguardError);
  });

  it('fails when the run is refused, with the full reason', async () => {
    const { url } = await serve();
    await expect(connectGuard(url, setupOf('r'), { wrong: 1 })).rejects.toThrow('option "wrong" is unknown');
    await expect(connectGuard(url, setupOf(''))).rejects.toThrow('setup.run: ');
  });

  it('fails when the address is none', async () => {
    await expect(connectGuard('127.0.0.1', setupOf('r'))).rejects.toThrow(
      'is not the address of a guard server',
    );
    await expect(connectGuard('ftp://x', setupOf('r'))).rejects.toThrow('begins with ftp:');
  });

  it('fails when another program answers, or nobody says hello', async () => {
    const web = createServer((_, response) => response.end('hi')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    open.push(web);
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    await expect(connectGuard(url, setupOf('r'))).rejects.toThrow('it answers HTTP 200');
    const silent = await strangeServer(() => undefined);
    await expect(connectGuard(silent, setupOf('r'), {}, { timeoutMs: 50 })).rejects.toThrow(
      'no hello within 0.05 s',
    );
  });
});

describe('what a guard says at the opening', () => {
  it('is there when connecting is over, also where it comes in pieces', async () => {
    const server = await startServer({
      port: 0,
      openRun: (setup) => {
        const guard = new FakeGuard(setup.run, { padding: 'z'.repeat(2_000_000) });
        guard.publish(steer('r', 0));
        return guard;
      },
    });
    open.push(server);
    const guard = await connectGuard(server.url, setupOf('r'));
    const seen: GuardEvent[] = [];
    guard.events.subscribe((event) => seen.push(event));
    expect(seen.map(({ event }) => event)).toEqual(['hello', 'steer']);
    await guard.close('done');
  });

  it('is waited for, and its absence told', async () => {
    const url = await strangeServer((socket) => {
      socket.send(JSON.stringify(hello('r')), () => socket.pause());
    });
    await expect(connectGuard(url, setupOf('r'), {}, { timeoutMs: 50 })).rejects.toThrow(
      'no answer after hello within 0.05 s',
    );
  });
});

describe('the last order of a guard that is lost', () => {
  const at = (step: number) => ({ run: 'r', time: '', step });
  const order = (lifetimeSteps: number | null, step = 0) =>
    ({ ...steer('r', step), lifetimeSteps }) as SteerEvent;
  const strengthAfter = (given: SteerEvent, step: number) => {
    const last = new LastOrder();
    last.note(hello('r', { steering: { fadeSteps: 30 } }), 0);
    last.note(given, given.step);
    const fading = last.fading(at(step));
    return fading && [fading.terms[0]!.strength, fading.lifetimeSteps];
  };

  it('fades in as many steps as the guard was configured with', () => {
    expect(strengthAfter(order(null), 500)).toEqual([1, 30]);
    expect(strengthAfter(order(600), 200)).toEqual([1, 30]);
  });

  it('goes on from where its own fading was, and is left to it where it ends as soon', () => {
    expect(strengthAfter(order(600), 500)).toEqual([expect.closeTo(0.5, 10), 30]);
    expect(strengthAfter(order(600), 570)).toBeNull();
    expect(strengthAfter(order(600), 900)).toBeNull();
    expect(strengthAfter({ ...order(null), terms: [] }, 10)).toBeNull();
  });

  it('is the one in force, not one that waits for its step, which never begins', () => {
    const stronger = { ...order(null, 40), fromStep: 60 } as SteerEvent;
    stronger.terms[0]!.strength = 7;
    const afterBoth = (step: number, first: SteerEvent | null) => {
      const last = new LastOrder();
      if (first !== null) {
        last.note(first, first.step);
      }
      last.note(stronger, 40);
      return last.fading(at(step))?.terms.map(({ strength }) => strength);
    };
    expect(afterBoth(59, order(null))).toEqual([1]);
    expect(afterBoth(60, order(null))).toEqual([7]);
    expect(afterBoth(59, null)).toEqual([]);
    expect(afterBoth(59, order(45))).toEqual([]);
  });

  it('fades once', () => {
    const last = new LastOrder();
    last.note(order(null), 0);
    expect(last.fading(at(1))).not.toBeNull();
    expect(last.fading(at(2))).toBeNull();
  });
});

describe('a guard whose server goes away', () => {
  const quick = { retryMs: 1, timeoutMs: 1000 };

  it('says so, lets the steering fade, and comes back', async () => {
    const server = await serve();
    const guard = await connectGuard(server.url, setupOf('r'), {}, quick);
    guard.observe(observation('r', 1));
    await coming(guard, 'steer');
    const lost = coming(guard, 'alert');
    const silent = coming(guard, 'steer', (event) => event.event === 'steer' && event.source === 'guard');
    await server.close();
    expect(await lost).toMatchObject({ rule: 'server', state: 'raised', level: 'warning', step: 1 });
    expect(await silent).toMatchObject({
      terms: [{ term: 'scale_jitter', strength: 1, parameters: { low: 0.2 } }],
      lifetimeSteps: 100,
      reason: 'the guard is silent: what it has ordered fades out within 100 steps',
    });

    guard.observe(observation('r', 2));
    expect(guard.dropped).toBe(1);
    const local = coming(guard, 'progress');
    guard.publish(progress('r', 2));
    expect(await local).toEqual(progress('r', 2));

    const back = coming(guard, 'alert', (event) => event.event === 'alert' && event.state === 'cleared');
    await serve(server.port);
    expect(await back).toMatchObject({ rule: 'server', evidence: { dropped: 1 } });
    const ticked = coming(guard, 'tick', ({ step }) => step === 3);
    guard.observe(observation('r', 3));
    await ticked;
    await guard.close('done');
    expect(await guards[1]!.closed).toMatchObject({ status: 'done', summary: { observationsNotSent: 1 } });
  });

  it('gives up after the last attempt, and still ends', async () => {
    const server = await serve();
    const guard = await connectGuard(server.url, setupOf('r'), {}, { ...quick, retries: 3 });
    const givenUp = coming(guard, 'alert', (event) => event.event === 'alert' && event.level === 'error');
    await server.close();
    expect(await givenUp).toMatchObject({ text: expect.stringContaining('3 attempts to reconnect failed') });
    const events = all(guard);
    guard.observe(observation('r', 5));
    await guard.close('done', { accuracy: 1 });
    expect((await events).at(-1)).toMatchObject({
      event: 'end',
      step: 5,
      status: 'done',
      summary: { accuracy: 1, observationsNotSent: 1 },
    });
  });

  it('does not try again where it was sent away', async () => {
    const { url } = await serve();
    const guard = await connectGuard(url, setupOf('r'), {}, quick);
    const alert = coming(guard, 'alert');
    guard.observe({ ...observation('other', 1) });
    expect(await alert).toMatchObject({
      level: 'error',
      text: expect.stringContaining('the observation of run "other"'),
    });
    await guard.close('done');
  });

  it('ends by itself when the guard does not answer the close', async () => {
    const url = await strangeServer((socket) => socket.send(JSON.stringify(hello('r'))));
    const guard = await connectGuard(url, setupOf('r'), {}, { timeoutMs: 50 });
    const events = all(guard);
    await guard.close('done');
    expect((await events).map(({ event }) => event)).toEqual(['hello', 'end']);
  });
});

describe('a guard that is not keeping up', () => {
  it('gets fewer observations, and the training is not held up', async () => {
    const url = await strangeServer((socket) => {
      socket.send(JSON.stringify(hello('r')));
      // after `open` and the ping: the first observation
      socket.on('message', (_, isBinary) => isBinary && socket.pause());
    });
    const guard = await connectGuard(url, setupOf('r'), {}, { bufferBytes: 10_000, timeoutMs: 500 });
    for (let step = 1; step <= 300; step++) {
      const given = observation('r', step);
      // 30 MB in all: more than the socket buffers of the system take
      const statistics = { ...given.statistics, absent: { bottom: 'z'.repeat(100_000) } };
      guard.observe({ ...given, statistics });
    }
    expect(guard.dropped).toBeGreaterThan(50);
    expect(guard.dropped).toBeLessThan(300);
    await guard.close('done');
  });
});

describe('what can not be sent or read', () => {
  it('is an alert, once', async () => {
    let peer: WebSocket | undefined;
    const url = await strangeServer((socket) => {
      peer = socket;
      socket.send(JSON.stringify(hello('r')));
    });
    const guard = await connectGuard(url, setupOf('r'), {}, { timeoutMs: 50 });
    const events = all(guard);
    const ticked = coming(guard, 'tick');
    for (const garbage of ['{', '7', 'null', '{"event":"tick"}', '{"type":"error"}', '\u0000']) {
      peer?.send(garbage);
    }
    peer?.send(JSON.stringify(tick('r', 1)));
    await ticked;
    const given = observation('r', 2);
    const wrong = { ...given, statistics: { ...given.statistics, pair: new Float32Array(1) } };
    guard.observe(wrong);
    guard.observe(wrong);
    guard.publish(tick('r', 2));
    await guard.close('done');
    const titles = (await events).flatMap((event) => (event.event === 'alert' ? [event.title] : []));
    expect(titles).toEqual([
      'The guard sent a message that can not be read',
      'An observation could not be sent',
      'An event tick was not published',
    ]);
    expect(guard.dropped).toBe(2);
  });
});
