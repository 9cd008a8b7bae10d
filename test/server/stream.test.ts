import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { of, Subject, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GuardEvent } from '../../src/guard/events.js';
import { type Server, startServer } from '../../src/server/index.js';
import { alert, Client, end, FakeGuard, hello, progress, steer, tick } from './support.js';

let server: Server;
beforeEach(async () => {
  server = await startServer({ port: 0 });
});
afterEach(() => server.close());

const dropped = async (of: Server) =>
  ((await (await fetch(`${of.url}/healthz`)).json()) as { dropped: number }).dropped;

describe('/v1/stream', () => {
  it('gives a late subscriber hello, the last tick, the last steer and raised alerts, then what comes', async () => {
    const guard = new FakeGuard('r');
    server.attach('r', guard.events);
    for (const event of [tick('r', 1), steer('r', 1), tick('r', 2), alert('r', 2)]) {
      guard.publish(event);
    }
    const client = await Client.open(server.url, '/v1/stream');
    expect(await client.names(4)).toEqual(['hello@0', 'tick@2', 'steer@1', 'alert@2']);
    guard.publish(progress('r', 3));
    expect(await client.next()).toEqual(progress('r', 3));
  });

  it('shows runs that are attached later, and only the one asked for', async () => {
    const all = await Client.open(server.url, '/v1/stream');
    const one = await Client.open(server.url, `/v1/stream?run=${encodeURIComponent('b&c d')}`);
    server.attach('a', new FakeGuard('a').events);
    server.attach('b&c d', new FakeGuard('b&c d').events);
    expect([(await all.next()).run, (await all.next()).run]).toEqual(['a', 'b&c d']);
    expect((await one.next()).run).toBe('b&c d');
  });

  it('refuses two runs of one name at a time', () => {
    server.attach('a', new Subject<GuardEvent>());
    expect(() => server.attach('a', new Subject<GuardEvent>())).toThrow('run "a" is already under way');
  });

  it('keeps what a late subscriber is told of the last eight finished runs', async () => {
    for (let i = 0; i < 10; i++) {
      const guard = new FakeGuard(`run-${i}`);
      server.attach(`run-${i}`, guard.events);
      guard.publish(tick(`run-${i}`, i));
      guard.publish(steer(`run-${i}`, i));
      guard.publish(end(`run-${i}`, i));
    }
    const client = await Client.open(server.url, '/v1/stream');
    const names = await client.names(32);
    expect(names.slice(0, 4)).toEqual(['hello@0', 'tick@2', 'steer@2', 'end@2']);
    expect(names.slice(-4)).toEqual(['hello@0', 'tick@9', 'steer@9', 'end@9']);
    const again = new FakeGuard('run-9');
    server.attach('run-9', again.events);
    expect((await client.next()).event).toBe('hello');
    const late = await Client.open(server.url, '/v1/stream?run=run-9');
    expect((await late.next()).event).toBe('hello');
    again.publish(tick('run-9', 50));
    expect(await late.names(1)).toEqual(['tick@50']);
  });

  it('ends a run as failed whose stream breaks or stops', async () => {
    const client = await Client.open(server.url, '/v1/stream');
    server.attach(
      'broken',
      throwError(() => new Error('no more')),
    );
    server.attach('stopped', of(hello('stopped'), tick('stopped', 4)));
    expect(await client.next()).toMatchObject({
      event: 'end',
      run: 'broken',
      status: 'failed',
      reason: 'no more',
    });
    expect(await client.names(2)).toEqual(['hello@0', 'tick@4']);
    expect(await client.next()).toMatchObject({ event: 'end', run: 'stopped', step: 4, status: 'failed' });
  });

  it('sends an alert in place of an event that JSON can not write', async () => {
    const guard = new FakeGuard('r', { big: 10n });
    server.attach('r', guard.events);
    const client = await Client.open(server.url, '/v1/stream');
    expect(await client.next()).toMatchObject({ event: 'alert', rule: 'server', run: 'r' });
    guard.publish(tick('r', 1));
    expect(await client.names(1)).toEqual(['tick@1']);
  });

  it('ignores what subscribers say, and closes those who say too much', async () => {
    const guard = new FakeGuard('r');
    server.attach('r', guard.events);
    const client = await Client.open(server.url, '/v1/stream');
    await client.next();
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.uint8Array()), async (message) => {
        client.socket.send(message);
      }),
      { numRuns: 50, seed: 3 },
    );
    guard.publish(tick('r', 1));
    expect(await client.names(1)).toEqual(['tick@1']);
    client.socket.send('x'.repeat(5000));
    expect((await client.closed).code).toBe(1009);
    expect(await (await Client.open(server.url, '/v1/stream')).names(2)).toEqual(['hello@0', 'tick@1']);
  });

  it('closes a client that breaks the protocol, and no other', async () => {
    const guard = new FakeGuard('r');
    server.attach('r', guard.events);
    const good = await Client.open(server.url, '/v1/stream');
    const bad = await rawClient(server);
    bad.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    bad.resume();
    await once(bad, 'close');
    guard.publish(tick('r', 1));
    expect(await good.names(2)).toEqual(['hello@0', 'tick@1']);
  });

  it('says goodbye when the server closes, after the last event', async () => {
    const guard = new FakeGuard('r');
    server.attach('r', guard.events);
    const client = await Client.open(server.url, '/v1/stream');
    guard.publish(end('r', 5));
    await server.close();
    expect(await client.names(2)).toEqual(['hello@0', 'end@5']);
    expect((await client.closed).code).toBe(1001);
  });
});

/** A WebSocket by hand, which reads nothing and answers nothing after the handshake. */
async function rawClient(to: Server) {
  const socket = connect(to.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const handshake = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13';
  const key = `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`;
  socket.write(`GET /v1/stream HTTP/1.1\r\nHost: x\r\n${handshake}\r\n${key}\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

describe('a slow client', () => {
  it('loses old ticks but no alerts, and holds up nobody', async () => {
    const guard = new FakeGuard('r');
    server.attach('r', guard.events);
    const slow = await Client.open(server.url, '/v1/stream');
    const fast = await Client.open(server.url, '/v1/stream');
    await Promise.all([slow.next(), fast.next()]);
    slow.socket.pause();

    // far more than the socket buffers of the system take
    const last = 400;
    for (let step = 1; step <= last; step++) {
      guard.publish(tick('r', step, 100_000));
      if (step % 100 === 0) {
        guard.publish(alert('r', step));
      }
      // the fast one gets each before the next is made
      expect(await fast.names(1)).toEqual([`tick@${step}`]);
      if (step % 100 === 0) {
        expect(await fast.names(1)).toEqual([`alert@${step}`]);
      }
    }
    guard.publish(end('r', last));
    expect(await fast.names(1)).toEqual([`end@${last}`]);

    const lost = await dropped(server);
    expect(lost).toBeGreaterThan(50);
    slow.socket.resume();
    const names = await slow.names(last - lost + 5);
    expect(names.filter((name) => name.startsWith('alert'))).toEqual([
      'alert@100',
      'alert@200',
      'alert@300',
      'alert@400',
    ]);
    expect(names.slice(-2)).toEqual([`tick@${last}`, `end@${last}`]);
  });

  it('gets the newest tick as soon as it has caught up', async () => {
    const guard = new FakeGuard('r');
    server.attach('r', guard.events);
    const slow = await Client.open(server.url, '/v1/stream');
    slow.socket.pause();
    for (let step = 1; step <= 300; step++) {
      guard.publish(tick('r', step, 100_000));
    }
    slow.socket.resume();
    const lost = await dropped(server);
    expect((await slow.names(301 - lost)).at(-1)).toBe('tick@300');
  });

  it('is closed when what must not be dropped passes the hard limit', async () => {
    const limited = await startServer({ port: 0, limits: { softBytes: 1000, hardBytes: 100_000 } });
    const guard = new FakeGuard('r');
    limited.attach('r', guard.events);
    const slow = await Client.open(limited.url, '/v1/stream');
    const fast = await Client.open(limited.url, '/v1/stream');
    slow.socket.pause();
    await fast.next();
    for (let step = 1; step <= 300; step++) {
      guard.publish(alert('r', step, 50_000));
      expect(await fast.names(1)).toEqual([`alert@${step}`]);
    }
    slow.socket.resume();
    expect(await slow.closed).toMatchObject({ code: 1013 });
    guard.publish(tick('r', 301));
    expect(await fast.names(1)).toEqual(['tick@301']);
    await limited.close();
  });
});

describe('a dead client', () => {
  it('is cut off by the heartbeat; one that answers is not', async () => {
    const beating = await startServer({ port: 0, heartbeatMs: 20 });
    const alive = await Client.open(beating.url, '/v1/stream');
    const dead = await rawClient(beating);
    expect(beating.clients).toBe(2);
    dead.resume();
    await once(dead, 'close');
    await once(alive.socket, 'ping');
    expect(beating.clients).toBe(1);
    expect(alive.socket.readyState).toBe(alive.socket.OPEN);
    await beating.close();
  });
});
