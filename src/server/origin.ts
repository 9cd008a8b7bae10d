import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Why a WebSocket upgrade must be refused, or null. Browsers send an `Origin` and let any page open a
 * WebSocket to any address, so a page must come from this very server. Other programs send no `Origin`.
 *
 * Comparing with `Host` is not enough: a page of evil.example whose name is rebound to 127.0.0.1 has both
 * equal. So the name must be one that nobody else can point here: an IP address, localhost, this machine's
 * name, or the host the server was told to listen on.
 */
export function originProblem(origin: string | undefined, host: string | undefined, listening: string) {
  if (origin === undefined) {
    return null;
  }
  let from: URL;
  try {
    from = new URL(origin);
  } catch {
    return `origin "${origin}" is not an address`;
  }
  if (from.host !== host?.toLowerCase()) {
    return `a page of ${from.host || origin} may not talk to ${host ?? 'a server without Host header'}`;
  }
  const name = from.hostname.replace(/^\[|\]$/g, '');
  const known = ['localhost', listening.toLowerCase(), hostname().toLowerCase()];
  if (isIP(name) === 0 && !known.includes(name) && !name.endsWith('.localhost')) {
    return `pages opened as "${name}" are refused (DNS rebinding); open the page by IP address or start with --host ${name}`;
  }
  return null;
}
