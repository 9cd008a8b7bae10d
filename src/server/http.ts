import { readFile } from 'node:fs/promises';
import { type IncomingMessage, type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StaticFile } from './static-files.js';

/** What `GET /healthz` answers. */
export interface Health {
  readonly name: 'mergeguard';
  readonly status: 'ok';
  readonly version: string;
  /** runs under way */
  readonly runs: number;
  /** subscribers of /v1/stream */
  readonly clients: number;
  /** ticks and progress events that slow subscribers did not get, since the start */
  readonly dropped: number;
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};
const JSON_TYPE = 'application/json';
export const STREAM_PATH = '/v1/stream';
export const PRODUCE_PATH = '/v1/produce';

/** The path of a request as it was sent, without the query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}

/** Answers everything that is not a WebSocket upgrade. */
export function requestHandler(
  files: ReadonlyMap<string, StaticFile>,
  health: () => Health,
): RequestListener {
  return (request, response) => {
    const path = pathOf(request);
    const file = files.get(path);
    const isSocket = path === STREAM_PATH || path === PRODUCE_PATH;
    if (path !== '/healthz' && !isSocket && file === undefined) {
      return sendError(response, 404, `there is nothing at ${path}`);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return sendError(response, 405, `${path} answers GET and HEAD, not ${request.method}`);
    }
    if (isSocket) {
      response.setHeader('Upgrade', 'websocket');
      return sendError(response, 426, `${path} is a WebSocket`);
    }
    if (file === undefined) {
      return send(response, 200, JSON_TYPE, JSON.stringify(health()));
    }
    readFile(file.file).then(
      (bytes) => send(response, 200, file.type, bytes),
      () => sendError(response, 500, `${path} could not be read`),
    );
  };
}

/** Refuses a WebSocket upgrade with a plain HTTP answer. */
export function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  const body = JSON.stringify({ error: message });
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function sendError(response: ServerResponse, status: number, message: string): void {
  send(response, status, JSON_TYPE, JSON.stringify({ error: message }));
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  const length = Buffer.byteLength(body);
  // for HEAD node sends the headers and leaves the body out
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': length }).end(body);
}
