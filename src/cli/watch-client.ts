import { WebSocket } from 'ws';
import { eventSchema, type GuardEvent } from '../guard/events.js';
import { plain } from './text.js';

const CONNECT_MS = 5000;
const LARGEST_MESSAGE = 2 ** 24;

/**
 * The WebSocket address of a guard's stream of events. Takes what people paste: the address of the page
 * (http) and an address without a path too. Null where it is no such address.
 */
export function streamAddress(text: string): string | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  const protocols: Record<string, string> = {
    'ws:': 'ws:',
    'wss:': 'wss:',
    'http:': 'ws:',
    'https:': 'wss:',
  };
  const protocol = protocols[url.protocol];
  if (protocol === undefined || url.hostname === '') {
    return null;
  }
  const path = url.pathname === '/' ? '/v1/stream' : url.pathname;
  return `${protocol}//${url.host}${path}${url.search}`;
}

export interface StreamHandlers {
  onEvent(event: GuardEvent): void;
  /** a message that is no event of this version's vocabulary */
  onUnreadable(why: string): void;
}

export interface Stream {
  /** resolves with the reason when the connection was closed by whichever side */
  readonly closed: Promise<string>;
  close(): void;
}

/** Connects to a guard's stream. @throws Error with the reason when it can't */
export function openStream(address: string, handlers: StreamHandlers): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address, { handshakeTimeout: CONNECT_MS, maxPayload: LARGEST_MESSAGE });
    let problem = '';
    socket.on('error', (error) => {
      problem = error.message || String((error as NodeJS.ErrnoException).code ?? error);
      reject(new Error(problem));
    });
    socket.on('message', (data, isBinary) => {
      const read = isBinary ? 'a binary message' : parse(data.toString());
      if (typeof read === 'string') {
        handlers.onUnreadable(read);
      } else {
        handlers.onEvent(read);
      }
    });
    const closed = new Promise<string>((done) => {
      socket.on('close', (code, reason) => done(problem || plain(reason.toString()) || `code ${code}`));
    });
    socket.on('open', () => resolve({ closed, close: () => socket.close() }));
  });
}

/** The event, or in words why it is none. */
function parse(text: string): GuardEvent | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  const parsed = eventSchema.safeParse(json);
  if (parsed.success) {
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  return plain(`${issue?.path.join('.') || 'event'}: ${issue?.message ?? 'unknown'}`);
}
