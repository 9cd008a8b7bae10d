import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { hostname } from 'node:os';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Server, startServer } from '../../src/server/index.js';
import { originProblem } from '../../src/server/origin.js';
import { MergeguardError } from '../../src/tensors/errors.js';
import { Client, refusal } from './support.js';

const servers: Server[] = [];
async function start(options = {}): Promise<Server> {
  const server = await startServer({ port: 0, version: '1.2.3', ...options });
  servers.push(server);
  return server;
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** Sends bytes as they are, without the tidying of fetch, and reads until the other side hangs up. */
async function raw(server: Server, text: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.end(text);
  return (await socket.setEncoding('utf8').toArray()).join('');
}

describe('HTTP', () => {
  it('tells its health', async () => {
    const server = await start();
    const response = await fetch(`${server.url}/healthz`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const health = { name: 'mergeguard', status: 'ok', version: '1.2.3', runs: 0, clients: 0, dropped: 0 };
    expect(await response.json()).toEqual(health);
  });

  it('reports the version of the package by default', async () => {
    const server = await start({ version: undefined });
    const { version } = (await (await fetch(`${server.url}/healthz`)).json()) as { version: string };
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('serves the page and what it asks for', async () => {
    const server = await start();
    const page = await fetch(`${server.url}/?run=x`);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const parts = [...(await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(parts.length).toBeGreaterThan(0);
    for (const path of parts) {
      expect([path, (await fetch(server.url + path)).status]).toEqual([path, 200]);
    }
  });

  it('serves the chart library of the page, also to HEAD', async () => {
    const server = await start();
    const script = await fetch(`${server.url}/vendor/uPlot.js`);
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    const text = await script.text();
    expect(text).toContain('export');
    const style = await fetch(`${server.url}/vendor/uPlot.css?v=1`, { method: 'HEAD' });
    expect(style.status).toBe(200);
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8');
    expect(Number(style.headers.get('content-length'))).toBeGreaterThan(100);
    expect(await style.text()).toBe('');
  });

  it('answers 404, 405 and 426 with a JSON error', async () => {
    const server = await start();
    const answers: [string, RequestInit, number][] = [
      ['/nothing', {}, 404],
      ['/nothing', { method: 'POST', body: 'x' }, 404],
      ['/healthz', { method: 'POST', body: 'x' }, 405],
      ['/v1/stream', { method: 'DELETE' }, 405],
      ['/v1/stream', {}, 426],
      ['/v1/produce', {}, 426],
    ];
    for (const [path, init, status] of answers) {
      const response = await fetch(server.url + path, init);
      expect([path, response.status]).toEqual([path, status]);
      const { error } = (await response.json()) as { error: string };
      expect(error).toContain(path);
    }
    const refused = await fetch(`${server.url}/healthz`, { method: 'PUT' });
    expect(refused.headers.get('allow')).toBe('GET, HEAD');
  });

  it('gives out no file outside its list, however the path is written', async () => {
    const server = await start();
    const ways = [
      '/../server/server.ts',
      '/..%2fserver%2fserver.ts',
      '/./healthz/..',
      '//etc/passwd',
      '/%00',
      '/vendor/',
    ];
    for (const path of ways) {
      const answer = await raw(server, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 404 /);
    }
  });

  it('survives garbage on the socket', async () => {
    const server = await start();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
        const answer = await raw(server, `${text}\r\n\r\n`);
        expect(answer === '' || /^HTTP\/1.1 [45]/.test(answer)).toBe(true);
      }),
      { numRuns: 20, seed: 7 },
    );
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});

describe('listening', () => {
  it('says that a mergeguard server has the port', async () => {
    const { port, url } = await start();
    await expect(startServer({ port })).rejects.toThrow(MergeguardError);
    await expect(startServer({ port })).rejects.toThrow(
      `port 127.0.0.1:${port} is in use: mergeguard 1.2.3 with 0 runs answers there; open ${url}/, stop it, or choose another port with --port`,
    );
  });

  it('says that another program has the port', async () => {
    const other = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    await expect(startServer({ port })).rejects.toThrow(
      `port 127.0.0.1:${port} is in use by another program; choose another port with --port`,
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it('refuses ports and hosts that can not be', async () => {
    await expect(startServer({ port: 70000 })).rejects.toThrow(
      'port 70000 is not a whole number from 0 to 65535',
    );
    await expect(startServer({ port: 0, host: '192.0.2.1' })).rejects.toThrow(
      "can't listen on 192.0.2.1:0 (EADDRNOTAVAIL): is --host an address of this machine?",
    );
  });

  it('frees the port and can be closed twice', async () => {
    const server = await start();
    const idle = connect(server.port, '127.0.0.1');
    await new Promise((resolve) => idle.once('connect', resolve));
    await Promise.all([server.close(), server.close()]);
    const again = await start({ port: server.port });
    expect(again.port).toBe(server.port);
  });
});

describe('upgrades', () => {
  it('are refused elsewhere than at the stream and for producers', async () => {
    const server = await start();
    expect(await refusal(server.url, '/elsewhere')).toEqual({
      status: 404,
      error: 'there is nothing at /elsewhere',
    });
  });

  it('are refused to pages of other origins', async () => {
    const server = await start();
    for (const origin of ['http://evil.example', 'null', `http://127.0.0.1:${server.port + 1}`, 'x']) {
      const { status, error } = await refusal(server.url, '/v1/stream', { origin });
      expect([origin, status]).toEqual([origin, 403]);
      expect(error).not.toBe('');
    }
  });

  it('are refused to a page whose name was rebound to this address', async () => {
    const server = await start();
    const host = `evil.example:${server.port}`;
    const { status, error } = await refusal(server.url, '/v1/stream', {
      origin: `http://${host}`,
      headers: { Host: host },
    });
    expect(status).toBe(403);
    expect(error).toContain('DNS rebinding');
  });

  it('are taken from its own page', async () => {
    const server = await start();
    const client = await Client.open(server.url, '/v1/stream', { origin: server.url });
    expect(server.clients).toBe(1);
    client.socket.close();
    await client.closed;
  });
});

describe('originProblem', () => {
  it('knows the names that nobody else can point here', () => {
    const own = [
      'localhost:1',
      '127.0.0.1:1',
      '[::1]:1',
      '192.168.1.4',
      `${hostname().toLowerCase()}:1`,
      'gpu.lan:1',
    ];
    for (const host of own) {
      expect([host, originProblem(`http://${host}`, host, 'gpu.lan')]).toEqual([host, null]);
    }
    expect(originProblem(undefined, 'evil.example', '127.0.0.1')).toBeNull();
    expect(originProblem('http://localhost:1', undefined, '127.0.0.1')).not.toBeNull();
    expect(originProblem('http://gpu.lan:1', 'gpu.lan:1', '127.0.0.1')).toContain('--host gpu.lan');
  });
});
