import { type RawData, WebSocket } from 'ws';
import { MergeguardError } from '../tensors/index.js';
import { eventSchema, type GuardEvent } from './events.js';
import { keepHeartbeat } from './heartbeat.js';
import { check, errorSchema, type OpenMessage, parseJson } from './wire-messages.js';

const HEARTBEAT_MS = 30_000;
const HEARTBEAT_ROUNDS = 4;
const MOST_BYTES = 2 ** 24;

/** What a link tells its owner; `problem` for messages that are no events. */
export interface LinkListener {
  event(event: GuardEvent): void;
  problem(message: string): void;
  /** the connection is gone; `refused` when the server did not want it any more */
  lost(reason: string, refused: boolean): void;
}

/** The address of a server's /v1/produce. @throws MergeguardError */
export function produceUrl(address: string): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new MergeguardError(
      `"${address}" is not the address of a guard server; write it like http://127.0.0.1:7337`,
    );
  }
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol)) {
    throw new MergeguardError(
      `the guard server's address "${address}" begins with ${url.protocol}, but must begin with http:, https:, ws: or wss:`,
    );
  }
  url.protocol = url.protocol.replace('http', 'ws');
  if (url.pathname === '/') {
    url.pathname = '/v1/produce';
  }
  url.hash = '';
  return url;
}

/**
 * Connects to /v1/produce and opens the run; resolves with the socket when the guard there has said hello, and whatever else it says
 * at the opening (what steers from the first step on): a ping is sent after hello, and its answer comes after that. From
 * hello on the listener gets everything.
 *
 * @throws MergeguardError when nobody answers, or the server refuses the run
 */
export function openLink(
  url: URL,
  open: OpenMessage,
  timeoutMs: number,
  listener: LinkListener,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: MOST_BYTES });
    let hasHello = false;
    let isOpen = false;
    let trouble: string | null = null;
    const timer = setTimeout(() => {
      trouble = `no ${hasHello ? 'answer after hello' : 'hello'} within ${timeoutMs / 1000} s`;
      socket.terminate();
    }, timeoutMs);

    socket.on('unexpected-response', (_request, response) => {
      trouble =
        response.statusCode === 404
          ? 'there is no /v1/produce; start a server that takes runs with: mergeguard serve'
          : `it answers HTTP ${response.statusCode} instead of opening a WebSocket`;
      socket.terminate();
    });
    socket.on('error', (error) => {
      trouble ??= error.message || (error as NodeJS.ErrnoException).code || 'connection failed';
    });
    socket.on('open', () => socket.send(JSON.stringify(open)));
    socket.on('message', (data: RawData) => {
      let message: GuardEvent | { type: 'error'; message: string };
      try {
        const value = parseJson(String(data)) as { type?: unknown } | null;
        message =
          value?.type === 'error'
            ? check(errorSchema, value, 'the error')
            : check(eventSchema, value, 'the event');
      } catch (error) {
        listener.problem((error as Error).message);
        return;
      }
      if ('type' in message) {
        trouble = message.message;
        return;
      }
      listener.event(message);
      if (message.event === 'hello' && !hasHello) {
        hasHello = true;
        socket.ping();
      }
    });
    socket.on('pong', () => {
      if (hasHello && !isOpen) {
        isOpen = true;
        clearTimeout(timer);
        keepHeartbeat(socket, HEARTBEAT_MS, HEARTBEAT_ROUNDS);
        resolve(socket);
      }
    });
    socket.on('close', (code, reason) => {
      clearTimeout(timer);
      const why = trouble ?? (reason.toString() || `connection closed with code ${code}`);
      if (isOpen) {
        listener.lost(why, code === 1008);
      } else {
        reject(
          new MergeguardError(
            `the guard server at ${url} can't be used: ${why}; is "mergeguard serve" running there?`,
          ),
        );
      }
    });
  });
}
