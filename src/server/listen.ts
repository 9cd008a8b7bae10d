import type { Server as HttpServer } from 'node:http';
import { MergeguardError } from '../tensors/index.js';
import type { Health } from './http.js';

/** `http://host:port` as a person types it; an address that means "all" becomes the loopback one. */
export function serverUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/**
 * Starts listening; resolves with the port, which is a free one where 0 was asked for.
 *
 * @throws MergeguardError when the port is taken or the host can't be listened on
 */
export async function listen(server: HttpServer, host: string, port: number): Promise<number> {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new MergeguardError(`port ${port} is not a whole number from 0 to 65535 (0 takes any free one)`);
  }
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new MergeguardError(
      code === 'EADDRINUSE' ? await portTaken(host, port) : cannotListen(host, port, code),
    );
  }
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function cannotListen(host: string, port: number, code = 'unknown error'): string {
  const way =
    code === 'EACCES'
      ? 'ports under 1024 are often reserved, choose a higher one with --port'
      : 'is --host an address of this machine?';
  return `can't listen on ${host}:${port} (${code}): ${way}`;
}

async function portTaken(host: string, port: number): Promise<string> {
  const url = serverUrl(host, port);
  const other = 'choose another port with --port (0 takes any free one)';
  // A timer of our own: that of AbortSignal.timeout does not keep the process alive, and where whoever holds the
  // port closes the connection at once nothing else does, so that the process would end without a word.
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), 1000);
  try {
    const response = await fetch(`${url}/healthz`, { signal: controller.signal });
    const health = (await response.json()) as Partial<Health> | null;
    if (health?.name === 'mergeguard') {
      return (
        `port ${host}:${port} is in use: mergeguard ${health.version} with ${health.runs} ${health.runs === 1 ? 'run' : 'runs'} answers there; ` +
        `open ${url}/, stop it, or ${other}`
      );
    }
  } catch {
    // whoever it is does not speak HTTP and JSON
  } finally {
    clearTimeout(timer);
  }
  return `port ${host}:${port} is in use by another program; ${other}`;
}
