import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ReplaySubject } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import yargs from 'yargs';
import type { Terminal } from '../../src/cli/screen.js';
import { type WatchOptions, watch, watchCommand } from '../../src/cli/watch.js';
import { streamAddress } from '../../src/cli/watch-client.js';
import { eventSchema, type GuardEvent } from '../../src/guard/events.js';
import { type Server, startServer } from '../../src/server/index.js';
import { sampleEvents } from '../dashboard/sample-events.js';

const ESCAPE = '\u001b';

let server: Server;

beforeEach(async () => {
  server = await startServer({ port: 0 });
});

afterEach(async () => {
  await server.close();
});

/** Attaches a run that has said these events. */
function attach(events: readonly GuardEvent[]): ReplaySubject<GuardEvent> {
  const subject = new ReplaySubject<GuardEvent>();
  for (const event of events) {
    subject.next(event);
  }
  server.attach(events[0]!.run, subject);
  return subject;
}

/** A terminal that keeps what is written; `saw(text)` resolves when it was. */
class Paper implements Terminal {
  text = '';
  readonly columns = 120;
  readonly rows = 50;
  #waiting: { text: string; resolve: () => void }[] = [];
  constructor(readonly isTTY = false) {}
  write(text: string): void {
    this.text += text;
    for (const each of this.#waiting.filter((one) => this.text.includes(one.text))) {
      each.resolve();
    }
  }
  saw(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ text, resolve });
      this.write('');
    });
  }
}

function start(
  given: Partial<WatchOptions> = {},
  out = new Paper(),
  env: NodeJS.ProcessEnv = { TERM: 'xterm' },
) {
  const stop = new AbortController();
  const err = new Paper();
  const options = { url: server.url, json: false, once: false, follow: false, ...given };
  const code = watch(options, { out, err, env, signal: stop.signal });
  return { out, err, code, stop };
}

describe('streamAddress', () => {
  it('takes addresses of the stream, the server and the page', () => {
    expect(streamAddress('ws://127.0.0.1:7337')).toBe('ws://127.0.0.1:7337/v1/stream');
    expect(streamAddress('http://localhost:80/')).toBe('ws://localhost/v1/stream');
    expect(streamAddress('https://guard.example/v1/stream?run=a')).toBe(
      'wss://guard.example/v1/stream?run=a',
    );
    expect(streamAddress('wss://[::1]:9/?run=a%20b')).toBe('wss://[::1]:9/v1/stream?run=a%20b');
  });

  it.each(['', 'localhost:7337', '127.0.0.1', 'file:///etc/passwd', 'ws://', 'ws://a:99999'])(
    'refuses "%s"',
    (url) => {
      expect(streamAddress(url)).toBeNull();
    },
  );
});

describe('watch', () => {
  it('prints one line per tick, alert, steer and end without a terminal, and exits 0 at the end', async () => {
    const events = sampleEvents();
    const subject = attach(events.slice(0, -1));
    const { out, err, code } = start();
    await out.saw('tick     step 396');
    subject.next(events.at(-1)!);
    expect(await code).toBe(0);
    expect(err.text).toBe('');
    const kinds = out.text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0]);
    const count = (...words: string[]) => kinds.filter((kind) => words.includes(kind!)).length;
    expect(count('run')).toBe(1);
    expect(count('tick')).toBe(100);
    expect(count('info', 'warning', 'error', 'cleared')).toBe(4);
    expect(count('steer')).toBe(2);
    expect(kinds.at(-1)).toBe('end');
    expect(out.text).not.toContain(ESCAPE);
  });

  it('prints every event as one line of JSON with --json', async () => {
    const events = sampleEvents({ ticks: 10 });
    const subject = attach(events.slice(0, -1));
    const { out, code } = start({ json: true });
    await out.saw('"event":"tick","run":"kannada-7","time":"2025-01-15T10:00:02.880Z"');
    subject.next(events.at(-1)!);
    expect(await code).toBe(0);
    const read = out.text
      .trimEnd()
      .split('\n')
      .map((line) => eventSchema.parse(JSON.parse(line)));
    expect(read).toEqual(events);
  });

  it('prints the state after the first tick with --once', async () => {
    attach(sampleEvents({ ticks: 5, end: false }));
    const { out, code } = start({ once: true });
    expect(await code).toBe(0);
    expect(out.text).toContain('mergeguard  kannada-7  wasm  step 16  live');
    expect(out.text.match(/mergeguard {2}/g)).toHaveLength(1);
  });

  it('draws in place on a terminal, hides the cursor and gives it back', async () => {
    const subject = attach(sampleEvents({ ticks: 3, end: false }));
    const { out, code } = start({}, new Paper(true));
    await out.saw('overhead');
    subject.next(sampleEvents({ ticks: 3 }).at(-1)!);
    expect(await code).toBe(0);
    expect(out.text.startsWith('\u001b[?25l')).toBe(true);
    expect(out.text.endsWith('\u001b[?7h\u001b[?25h')).toBe(true);
    expect(out.text).toMatch(new RegExp(`${ESCAPE}\\[\\d+A\\r`));
    expect(out.text).toContain('\u001b[1m');
    expect(out.text).toContain('ended: done');
  });

  it('draws without colours when NO_COLOR is set, and lines when the terminal is dumb', async () => {
    attach(sampleEvents({ ticks: 3 }));
    const bare = start({}, new Paper(true), { TERM: 'xterm', NO_COLOR: '1' });
    expect(await bare.code).toBe(0);
    expect(bare.out.text).not.toMatch(new RegExp(`${ESCAPE}\\[\\d+m`));
    const dumb = start({}, new Paper(true), { TERM: 'dumb' });
    expect(await dumb.code).toBe(0);
    expect(dumb.out.text).not.toContain(ESCAPE);
  });

  it('goes past a finished run to the one under way', async () => {
    const done = sampleEvents({ run: 'done', ticks: 2 });
    attach(done);
    const subject = attach(sampleEvents({ run: 'live', ticks: 2, end: false }));
    const { out, code } = start();
    await out.saw('run      live');
    subject.next(sampleEvents({ run: 'live', ticks: 2 }).at(-1)!);
    expect(await code).toBe(0);
    expect(out.text.match(/^end /gm)).toHaveLength(2);
  });

  it('goes on after the end and through a restart of the server with --follow, until it is stopped', async () => {
    attach(sampleEvents({ run: 'one', ticks: 2 }));
    const { out, code, stop } = start({ follow: true });
    await out.saw('end  ');
    const { port } = server;
    await server.close();
    server = await startServer({ port });
    attach(sampleEvents({ run: 'two', ticks: 2, end: false }));
    await out.saw('run      two');
    stop.abort();
    expect(await code).toBe(0);
  });

  it('exits 1 when the connection is lost before the end', async () => {
    attach(sampleEvents({ ticks: 2, end: false }));
    const { out, err, code } = start();
    await out.saw('tick     step 4');
    await server.close();
    expect(await code).toBe(1);
    expect(err.text).toContain('was lost before the end');
    expect(err.text).toContain('--follow');
  });

  it('exits 1 and says how to start a guard when there is none', async () => {
    const { url } = server;
    await server.close();
    const { err, code } = start({ url });
    expect(await code).toBe(1);
    expect(err.text).toContain(`there is no guard at ${url.replace('http', 'ws')}/v1/stream`);
    expect(err.text).toContain('mergeguard demo');
    expect(err.text).toContain('mergeguard serve');
  });

  it('exits 1 when something else answers at the address', async () => {
    const other: HttpServer = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { err, code } = start({ url: `ws://127.0.0.1:${(other.address() as AddressInfo).port}` });
    expect(await code).toBe(1);
    expect(err.text).toContain('there is no guard at');
    other.close();
  });

  it('exits 2 when the address is none', async () => {
    const { err, code } = start({ url: 'localhost:7337' });
    expect(await code).toBe(2);
    expect(err.text).toBe('"localhost:7337" is no address of a guard; it looks like ws://127.0.0.1:7337\n');
  });
});

describe('the command', () => {
  const parse = async (...words: string[]) =>
    yargs(words)
      .command({ command: 'watch [url]', ...watchCommand })
      .strict()
      .fail((message) => {
        throw new Error(message);
      })
      .parseAsync();

  it('refuses --once with --follow, and options that it does not know', async () => {
    await expect(parse('watch', '--once', '--follow')).rejects.toThrow('exclude each other');
    await expect(parse('watch', '--onec')).rejects.toThrow('onec');
  });
});
