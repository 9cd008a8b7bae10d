import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGuard, type Guard, resolveConfig } from '../../src/guard/index.js';
import { type Server, startServer } from '../../src/server/index.js';
import { Client, FakeGuard, observation, setupOf } from './support.js';

let server: Server;
const guards = new Map<string, Guard>();
const guardOf = (run: string) => createGuard(setupOf(run), resolveConfig({ fingerprint: null }), null);

beforeEach(async () => {
  server = await startServer({
    port: 0,
    openRun: (setup) => {
      const guard = createGuard(setup, resolveConfig({ fingerprint: null }), null);
      guards.set(setup.run, guard);
      return guard;
    },
  });
});
afterEach(() => server.close());

const order = (run: string, rest = {}) => ({
  type: 'steer',
  protocol: 4,
  run,
  terms: [{ term: 'merge_simulation', strength: 0.5, parameters: { low: 0.2 } }],
  ...rest,
});

/** A client that only steers, and what is answered to each message. */
async function answers(...messages: unknown[]): Promise<unknown[]> {
  const client = await Client.open(server.url, '/v1/produce');
  const given: unknown[] = [];
  for (const message of messages) {
    client.send(message);
    given.push(await client.next());
  }
  client.socket.close();
  return given;
}

/** @param unmet terms that the run can not have, and why */
async function producing(run: string, unmet: Record<string, string> = {}): Promise<Client> {
  const producer = await Client.open(server.url, '/v1/produce');
  producer.send({ type: 'open', protocol: 4, setup: { ...setupOf(run), unmet }, config: {} });
  await producer.next();
  return producer;
}

describe('an order at /v1/produce', () => {
  it('goes through the guard of a run of another process into its stream, and to the hook', async () => {
    const producer = await producing('r');
    const subscriber = await Client.open(server.url, '/v1/stream?run=r');
    await subscriber.next();
    expect(await answers(order('r', { lifetimeSteps: 200, reason: 'to see' }))).toEqual([
      { type: 'steered', run: 'r', step: 0 },
    ]);
    const steer = {
      event: 'steer',
      run: 'r',
      source: 'manual',
      lifetimeSteps: 200,
      reason: 'to see',
      terms: [
        {
          term: 'merge_simulation',
          strength: 0.5,
          parameters: expect.objectContaining({ low: 0.2, high: 1 }),
        },
      ],
    };
    expect(await producer.next()).toMatchObject(steer);
    expect(await subscriber.next()).toMatchObject(steer);
  });

  it('steers a run of this process that is served, and says the step', async () => {
    const guard = guardOf('here');
    server.attach('here', guard.events, guard);
    guard.observe(observation('here', 30));
    await Promise.resolve();
    expect(await answers(order('here'), order('here', { terms: [] }))).toEqual([
      { type: 'steered', run: 'here', step: 30 },
      { type: 'steered', run: 'here', step: 30 },
    ]);
    await guard.close('done');
  });

  it('is refused terms that the hook of the run can not follow', async () => {
    await producing('r', { functional: 'functional needs activations, which this run has not' });
    const [refused] = await answers(order('r', { terms: [{ term: 'functional', strength: 0.1 }] }));
    expect(refused).toEqual({
      type: 'error',
      message: 'functional needs activations, which this run has not',
    });
  });

  it('is taken where no run of another process is', async () => {
    await server.close();
    server = await startServer({ port: 0 });
    const guard = guardOf('here');
    server.attach('here', guard.events, guard);
    expect(await answers(order('here'))).toEqual([{ type: 'steered', run: 'here', step: 0 }]);
    const [refused] = await answers({ type: 'open', protocol: 4, setup: setupOf('r'), config: {} });
    expect(refused).toMatchObject({
      type: 'error',
      message: expect.stringContaining('takes no runs of other processes'),
    });
  });

  it.each([
    ['an unknown run', order('s'), 'run "s" is not under way on this server; under way are r, shown'],
    ['a run without a guard', order('shown'), 'run "shown" is only shown here'],
    [
      'an unknown term',
      order('r', { terms: [{ term: 'sharp', strength: 1 }] }),
      'unknown steering term "sharp"; ',
    ],
    [
      'an unknown parameter',
      order('r', { terms: [{ term: 'scale_jitter', strength: 1, parameters: { hihg: 1 } }] }),
      'scale_jitter.hihg is unknown; did you mean scale_jitter.high?',
    ],
    [
      'a strength out of range',
      order('r', { terms: [{ term: 'scale_jitter', strength: 99 }] }),
      'scale_jitter.strength is 99 (number), but must be a number of at least 0 and at most 10',
    ],
    ['another protocol', order('r', { protocol: 1 }), 'this server speaks protocol 4, the other side 1'],
    [
      'more terms than there are',
      order('r', { terms: Array.from({ length: 33 }, (_, i) => ({ term: `t${i}`, strength: 1 })) }),
      'terms: ',
    ],
    [
      'more parameters than there are',
      order('r', {
        terms: [
          {
            term: 'sharpness',
            strength: 1,
            parameters: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`p${i}`, 1])),
          },
        ],
      }),
      'terms.0.parameters: more than 32',
    ],
    ['no lifetime', order('r', { lifetimeSteps: 0 }), 'lifetimeSteps: '],
    ['more than an order', order('r', { also: 1 }), 'also'],
  ])('with %s is refused, and the run goes on', async (_, message, reason) => {
    const producer = await producing('r');
    server.attach('shown', new FakeGuard('shown').events);
    const client = await Client.open(server.url, '/v1/produce');
    client.send(message);
    const answer = await client.next();
    expect(answer).toMatchObject({ type: 'error', message: expect.stringContaining(reason) });
    expect((await client.closed).code).toBe(1008);
    producer.send({ type: 'close', status: 'done' });
    expect(await producer.next()).toMatchObject({ event: 'end', status: 'done' });
  });

  it.each([
    ['a term', (long: string) => ({ terms: [{ term: long, strength: 1 }] })],
    [
      'a parameter',
      (long: string) => ({ terms: [{ term: 'sharpness', strength: 1, parameters: { [long]: 1 } }] }),
    ],
    ['another field', (long: string) => ({ [long]: 1 })],
  ])('with a name for %s that is too long is refused, and told back in short', async (_, rest) => {
    await producing('r');
    const [long] = await answers(order('r', rest('x'.repeat(20_000))));
    expect(long).toMatchObject({ type: 'error' });
    expect((long as { message: string }).message.length).toBeLessThan(700);
    const [huge] = await answers(order('r', rest('x'.repeat(4_000_000))));
    expect(huge).toMatchObject({
      type: 'error',
      message: expect.stringMatching(/^the message "steer" has 4\d+ bytes, but may have 65536; /),
    });
  });

  it('names no run where there is none', async () => {
    expect(await answers(order('r'))).toMatchObject([
      { type: 'error', message: 'run "r" is not under way on this server; none is' },
    ]);
  });
});
