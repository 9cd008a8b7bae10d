import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStream } from '../../src/cli/watch-client.js';
import { eventSchema, type GuardEvent } from '../../src/guard/events.js';
import { writeTaskFolder } from '../zoo/small-tasks.js';
import { collectLines, killAll, run, start } from './program.js';

let folder: string;
let common: string[];
/** a port that is taken as long as these tests run */
let takenPort: number;
const holder = createServer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-cli-demo-'));
  await writeTaskFolder(folder);
  const config = join(folder, 'guard.yaml');
  takenPort = await new Promise((resolve) => {
    holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port));
  });
  await writeFile(
    config,
    [
      'fingerprint: null',
      'tap: { every: 4, foldStride: 1 }',
      'selfProbe: { every: 4, samples: 8 }',
      'alerts:',
      '  conflict: { below: 0.99, clearAbove: 1, ticks: 1 }',
      'steering:',
      '  scale_jitter: { strength: 1, every: 3 }',
      `server: { port: ${takenPort} }`,
    ].join('\n'),
  );
  common = ['demo', '--data', folder, '--backend', 'wasm', '--config', config];
});
afterEach(killAll);
afterAll(async () => {
  holder.close();
  await rm(folder, { recursive: true });
});

const short = ['--steps', '20', '--pretrain-steps', '4', '--reference-steps', '3'];
const endless = ['--steps', '12', '--pretrain-steps', '1000000'];
const isEvent = (name: GuardEvent['event']) => (line: string) => line.startsWith(`{"event":"${name}"`);
const newCache = () => ['--cache', join(folder, 'cache', randomUUID())];

describe('mergeguard demo', () => {
  it('trains, is watched live, and ends, with events alone on standard output', async () => {
    const { child, closed } = start(...common, ...short, ...newCache(), '--json', '--port', '0');
    const out = collectLines(child.stdout);
    const err = collectLines(child.stderr);

    await out.until(isEvent('tick'));
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec((await err.until((line) => line.includes('http://')))!)![0];
    const seen: GuardEvent[] = [];
    const stream = await openStream(`${url.replace('http', 'ws')}/v1/stream`, {
      onEvent: (event) => seen.push(event),
      onUnreadable: (why) => expect.unreachable(why),
    });
    await stream.closed;
    expect(await closed).toEqual([0, null]);

    const events = out.lines.map((line) => eventSchema.parse(JSON.parse(line)));
    const backend = { backend: 'wasm', backendDescription: expect.stringContaining('tfjs-backend-wasm') };
    expect(events[0]).toMatchObject({ event: 'hello', run: 'demo-bars-seed0', ...backend });
    expect(new Set(events.map((event) => event.run))).toEqual(new Set(['demo-bars-seed0']));
    const names = events.map(({ event }) => event);
    expect(names.indexOf('progress')).toBeLessThan(names.indexOf('tick'));
    expect(names.filter((name) => name === 'tick').length).toBe(5);
    expect(new Set(names)).toEqual(new Set(['hello', 'steer', 'progress', 'tick', 'probe', 'alert', 'end']));
    expect(events.at(-1)).toMatchObject({ event: 'end', status: 'done', step: 20 });

    // who came late was told the beginning and the last tick, and then everything else
    expect(seen[0]).toEqual(events[0]);
    expect(seen.find(({ event }) => event === 'tick')).toBeDefined();
    expect(seen.at(-1)).toEqual(events.at(-1));
    const known = events.map((event) => JSON.stringify(event));
    expect(seen.filter((event) => !known.includes(JSON.stringify(event)))).toEqual([]);

    const said = err.lines.join('\n');
    expect(said).toContain('mergeguard guards demo-bars-seed0 on wasm');
    expect(said).toContain('  pretrain: 4 steps');
    expect(said).toMatch(/warning +step \d+ +training pulls against/);
    expect(said).toMatch(/\n {2}poles +weight_avg +-- +(\d|--)/);
  });

  it('ends readably on Ctrl-C, with an end event; with --no-server it needs no port', async () => {
    const cache = newCache();
    const { child, closed } = start(...common, ...endless, ...cache, '--json', '--no-server');
    const out = collectLines(child.stdout);
    const err = collectLines(child.stderr);
    await out.until((line) => line.includes('"phase":"pretrain"'));
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(eventSchema.parse(JSON.parse(out.lines.at(-1)!))).toMatchObject({
      event: 'end',
      status: 'failed',
      reason: `stopped by SIGINT; finished models are kept in ${cache[1]}`,
    });
    expect(err.lines.at(-1)).toBe(`mergeguard: stopped by SIGINT; finished models are kept in ${cache[1]}`);
    expect(err.lines.join('\n')).not.toContain('http://');
  });

  it('ends when nobody reads its output any more', async () => {
    const { child, closed } = start(...common, ...endless, ...newCache(), '--json', '--no-server');
    const err = collectLines(child.stderr);
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await closed).toEqual([1, null]);
    expect(err.lines.at(-1)).toContain('stopped, standard output was closed');
    expect(err.lines.join('\n')).not.toContain('    at ');
  });

  it('names a port that is in use, and the way out', async () => {
    const { code, out, err } = await run(...common, ...endless, ...newCache(), '--json');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe(
      `mergeguard: port 127.0.0.1:${takenPort} is in use by another program; choose another port with --port (0 takes any free one)\n`,
    );
  });

  it('lists the tasks there are when one is unknown', async () => {
    const { code, out, err } = await run(
      ...common,
      '--references',
      'lines, nil',
      '--task',
      'no',
      '--no-server',
    );
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe(
      'mergeguard: the demo can not start:\n  - there is no task "no", "nil"; there are bars, lines, poles\n',
    );
  });
});
