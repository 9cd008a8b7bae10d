import { firstValueFrom, toArray } from 'rxjs';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { steerCommand } from '../../src/cli/steer.js';
import { parseTerm } from '../../src/cli/steer-order.js';
import { createGuard, type Guard, resolveConfig } from '../../src/guard/index.js';
import { type Server, startServer } from '../../src/server/index.js';
import { setupOf } from '../server/support.js';
import { killAll, run } from './program.js';
import { helpOf, refusal } from './usage.js';

afterAll(killAll);

const NAME = 'steer <run> [terms..]';

describe('a term of the command line', () => {
  it('is a name with its strength, and parameters of any kind', () => {
    expect(parseTerm('merge_simulation=0.5')).toEqual({ term: 'merge_simulation', strength: 0.5 });
    expect(parseTerm('sharpness=1,every=3,adaptive=true,form=in_place')).toEqual({
      term: 'sharpness',
      strength: 1,
      parameters: { every: 3, adaptive: true, form: 'in_place' },
    });
    expect(parseTerm('sharpness=1e-2').strength).toBe(0.01);
  });

  it.each([
    ['sharpness', '"sharpness" is not TERM=STRENGTH[,PARAMETER=VALUE...], as in'],
    ['=1', '"=1" is not TERM=STRENGTH'],
    ['a=1,b', '"a=1,b" is not TERM=STRENGTH'],
    ['a=much', 'the strength in "a=much" is "much", but must be a number'],
    ['a=1,b=2,b=3', 'the parameter b is given twice'],
    ['a=1,strength=2', '"a=1,strength=2" has strength among the parameters; it is what follows the term'],
  ])('%s is refused', (text, message) => {
    expect(() => parseTerm(text)).toThrow(message);
  });
});

describe('mergeguard steer', () => {
  it('documents its options', async () => {
    const help = await helpOf(NAME, steerCommand);
    for (const option of ['server', 'lifetime', 'off', 'reason']) {
      expect(help).toMatch(new RegExp(`--${option} +[A-Z]`));
    }
    expect(help).toContain('[default: 500]');
  });

  it.each([
    ['r', 'Name terms with their strengths, or --off'],
    ['r a=1 --off', '--off and terms exclude each other'],
    ['r a=1 --lifetime 0', '--lifetime must be a whole number from 1'],
    ['r a', '"a" is not TERM=STRENGTH'],
    ['r a=1 --server nowhere', '"nowhere" is not the address of a guard server'],
    ['', 'Not enough non-option arguments'],
  ])('refuses %j', async (line, message) => {
    expect(await refusal(NAME, steerCommand, line)).toContain(message);
  });
});

describe('mergeguard steer, on a real server', () => {
  let server: Server;
  let guard: Guard;
  beforeEach(async () => {
    server = await startServer({ port: 0 });
    guard = createGuard(setupOf('r'), resolveConfig({ fingerprint: null }), null);
    server.attach('r', guard.events, guard);
  });
  afterEach(() => server.close());

  it('steers a run, with 0; what the server says against an order is told, with 1', async () => {
    const events = firstValueFrom(guard.events.pipe(toArray()));
    const steer = (...args: string[]) => run('steer', ...args, '--server', server.url);
    const [given, off, unknown, wrong] = await Promise.all([
      steer('r', 'merge_simulation=0.5,every=2', 'proximal=0.001', '--lifetime', '200', '--reason', 'to see'),
      steer('r', '--off'),
      steer('s', 'sharpness=1'),
      steer('r', 'sharpness=7'),
    ]);
    await guard.close('done');
    expect(given).toEqual({
      code: 0,
      out: 'r is steered from now on, for 200 steps (step 0 or later): merge_simulation x 0.5 (every 2), proximal x 0.001\n',
      err: '',
    });
    expect(off).toMatchObject({
      code: 0,
      out: 'r is steered from now on, for 500 steps (step 0 or later): no terms\n',
    });
    expect(unknown).toEqual({
      code: 1,
      out: '',
      err: 'mergeguard: run "s" is not under way on this server; under way is r\n',
    });
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain(
      'sharpness.strength is 7 (number), but must be a number of at least 0 and at most 1',
    );
    const steers = (await events).filter(({ event }) => event === 'steer');
    expect(steers).toHaveLength(2);
    expect(steers).toContainEqual(
      expect.objectContaining({
        source: 'manual',
        lifetimeSteps: 200,
        reason: 'to see',
        terms: [
          { term: 'merge_simulation', strength: 0.5, parameters: expect.objectContaining({ every: 2 }) },
          { term: 'proximal', strength: 0.001, parameters: {} },
        ],
      }),
    );
  });

  it('says that there is no server, with 1', async () => {
    const { url } = server;
    await server.close();
    const { code, err } = await run('steer', 'r', '--off', '--server', url);
    expect(code).toBe(1);
    expect(err).toMatch(/^mergeguard: there is no guard to steer at ws:.*ECONNREFUSED.*--server\n$/);
  });
});
