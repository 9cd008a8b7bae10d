import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeObservation } from '../../src/guard/wire.js';
import { type OpenRun, type Server, startServer } from '../../src/server/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';
import { alert, Client, FakeGuard, hello, observation, progress, setupOf, steer, tick } from './support.js';

let server: Server;
let guards: Map<string, FakeGuard>;
const openRun: OpenRun = async (setup, config) => {
  if (config.fail === 'user') {
    throw new MergeguardError(`config: "fail" is unknown ${'é'.repeat(200)}`);
  }
  if (config.fail === 'bug') {
    throw new TypeError('x is not a function');
  }
  const guard = new FakeGuard(setup.run, config);
  guards.set(setup.run, guard);
  return guard;
};

beforeEach(async () => {
  guards = new Map();
  server = await startServer({ port: 0, openRun });
});
afterEach(() => server.close());

const openMessage = (run: string, config = {}) => ({
  type: 'open',
  protocol: 4,
  setup: setupOf(run),
  config,
});

async function openProducer(run: string, config = {}): Promise<Client> {
  const producer = await Client.open(server.url, '/v1/produce');
  producer.send(openMessage(run, config));
  expect(await producer.next()).toMatchObject({ event: 'hello', run, config });
  return producer;
}

describe('/v1/produce', () => {
  it('takes a run from open to close, and shows it to subscribers', async () => {
    const subscriber = await Client.open(server.url, '/v1/stream');
    const producer = await openProducer('r', { overhead: 0.01 });
    producer.send(progress('r', 0));
    producer.send(encodeObservation(observation('r', 1)));
    producer.send({ type: 'close', status: 'done', summary: { accuracy: 1 }, reason: 'all steps taken' });
    const seen = ['progress@0', 'steer@1', 'tick@1', 'end@0'];
    expect(await producer.names(4)).toEqual(seen);
    expect(await subscriber.names(5)).toEqual(['hello@0', ...seen]);
    expect((await producer.closed).code).toBe(1000);
    expect(await guards.get('r')!.closed).toEqual({
      status: 'done',
      summary: { accuracy: 1 },
      reason: 'all steps taken',
    });
    expect(guards.get('r')!.observed).toEqual([observation('r', 1)]);
  });

  it('keeps the order of what follows an open that takes its time', async () => {
    const producer = await Client.open(server.url, '/v1/produce');
    producer.send(openMessage('r'));
    for (let step = 2; step < 40; step++) {
      producer.send(encodeObservation(observation('r', step)));
    }
    producer.send({ type: 'close', status: 'done' });
    await producer.closed;
    expect(guards.get('r')!.observed.map((each) => each.statistics.step)).toEqual(
      Array.from({ length: 38 }, (_, i) => i + 2),
    );
  });

  it('ends the run as failed when the producer vanishes', async () => {
    const subscriber = await Client.open(server.url, '/v1/stream');
    const producer = await openProducer('r');
    producer.socket.terminate();
    expect(await guards.get('r')!.closed).toMatchObject({ status: 'failed', reason: 'producer lost' });
    expect(await subscriber.names(2)).toEqual(['hello@0', 'end@0']);
    await openProducer('r');
  });

  it('ends the runs as failed when the server closes', async () => {
    const producer = await openProducer('r');
    await server.close();
    expect(await guards.get('r')!.closed).toMatchObject({
      status: 'failed',
      reason: 'the server was closed',
    });
    expect(await producer.closed).toMatchObject({ code: 1001 });
  });

  it('refuses a second run of a name, and leaves the first alone', async () => {
    const first = await openProducer('r');
    const second = await Client.open(server.url, '/v1/produce');
    second.send(openMessage('r'));
    expect((await second.next()).message).toContain('run "r" is already under way');
    expect((await second.closed).code).toBe(1008);
    first.send(encodeObservation(observation('r', 2)));
    expect(await first.names(1)).toEqual(['tick@2']);
  });

  it('tells what is wrong with the configuration, in full and in short', async () => {
    const producer = await Client.open(server.url, '/v1/produce');
    producer.send(openMessage('r', { fail: 'user' }));
    expect(await producer.next()).toEqual({
      type: 'error',
      message: `config: "fail" is unknown ${'é'.repeat(200)}`,
    });
    const { code, reason } = await producer.closed;
    expect(code).toBe(1008);
    expect(reason).toMatch(/^config: "fail" is unknown é+\.\.\.$/);
  });

  it('calls its own failures by another code', async () => {
    const producer = await Client.open(server.url, '/v1/produce');
    producer.send(openMessage('r', { fail: 'bug' }));
    expect(await producer.closed).toEqual({ code: 1011, reason: 'x is not a function' });
  });

  const { setup } = openMessage('r');
  it.each([
    ['binary bytes', new Uint8Array([1, 2]), 'the first message must be the JSON text of type "open"'],
    ['an event', progress('r', 1), 'the type of the first message is missing, but must be "open"'],
    [
      'the protocol before',
      { ...openMessage('r'), protocol: 1 },
      'this server speaks protocol 4, the other side 1',
    ],
    ['no setup', { type: 'open', protocol: 4, config: {} }, 'setup: '],
    ['an empty name', { ...openMessage('r'), setup: { ...setup, run: '' } }, 'setup.run: '],
  ])('refuses to open with %s', async (_, message, reason) => {
    const producer = await Client.open(server.url, '/v1/produce');
    producer.send(message);
    expect((await producer.next()).message).toContain(reason);
    expect((await producer.closed).code).toBe(1008);
    expect(guards.size).toBe(0);
  });

  const other = observation('r', 1);
  const foreign = { ...other, statistics: { ...other.statistics, references: ['b'] } };
  it.each([
    ['bytes that are no safetensors', new Uint8Array([1, 2, 3]), 'the observation'],
    ['an observation of another run', encodeObservation(observation('q', 1)), 'the observation of run "q"'],
    ['other references', encodeObservation(foreign), 'opened with the references a, the observation has b'],
    ['an event of another run', progress('q', 1), 'this connection is of run "r", the event of run "q"'],
    ["an event that is the guard's to make", tick('r', 1), 'the event is wrong'],
    ['a hello', hello('r'), 'the event is wrong'],
    ['a steer', steer('r', 1), 'the event is wrong'],
    ['a broken event', { ...alert('r', 1), level: 'loud' }, 'level: '],
    ['a wrong status', { type: 'close', status: 'fine' }, 'status: '],
    ['no object', 7, 'the message "close" is wrong'],
    ['null', null, 'the message "close" is wrong'],
  ])('ends only the run that sends %s', async (_, message, reason) => {
    const good = await openProducer('good');
    const bad = await openProducer('r');
    bad.send(message);
    expect(await bad.next()).toMatchObject({ type: 'error', message: expect.stringContaining(reason) });
    expect((await bad.closed).code).toBe(1008);
    expect(await guards.get('r')!.closed).toMatchObject({ status: 'failed' });
    good.send(encodeObservation(observation('good', 2)));
    expect(await good.names(1)).toEqual(['tick@2']);
  });

  it('survives any message', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.oneof(fc.string(), fc.uint8Array(), fc.json()),
        async (isOpen, message) => {
          const producer = await Client.open(server.url, '/v1/produce');
          if (isOpen) {
            producer.send(openMessage('r'));
            await producer.next();
          }
          producer.socket.send(message);
          expect((await producer.closed).code).toBe(1008);
        },
      ),
      { numRuns: 40, seed: 11 },
    );
    await openProducer('r');
  });
});
