import { WebSocket } from 'ws';
import { PROTOCOL } from '../guard/events.js';
import { errorSchema, type SteerMessage, steeredSchema } from '../guard/wire-messages.js';
import { MergeguardError } from '../tensors/errors.js';

const PATIENCE_MS = 10_000;
const LARGEST_MESSAGE = 2 ** 20;

/** What a client says, but for what every client says. */
export type Order = Omit<SteerMessage, 'type' | 'protocol'>;

/**
 * Sends one order to a guard server and waits for its answer.
 * @param url of its /v1/produce
 * @returns step of the last event of the run that its guard had seen
 * @throws MergeguardError when nobody answers, and with what the server says against the order
 */
export function sendOrder(url: URL, order: Order): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { handshakeTimeout: PATIENCE_MS, maxPayload: LARGEST_MESSAGE };
    const socket = new WebSocket(url, options);
    const fail = (message: string) => {
      clearTimeout(timer);
      socket.terminate();
      reject(new MergeguardError(message));
    };
    const unreachable = (why: string) =>
      fail(`there is no guard to steer at ${url} (${why}); give the address of one that runs with --server`);
    const timer = setTimeout(() => unreachable(`no answer within ${PATIENCE_MS / 1000} s`), PATIENCE_MS);
    socket.on('unexpected-response', (_request, { statusCode }) =>
      unreachable(`it answers HTTP ${statusCode}`),
    );
    socket.on('error', (error) =>
      unreachable(error.message || (error as NodeJS.ErrnoException).code || 'lost'),
    );
    socket.on('open', () => socket.send(JSON.stringify({ type: 'steer', protocol: PROTOCOL, ...order })));
    socket.on('message', (data) => {
      const message = parse(String(data));
      const steered = steeredSchema.safeParse(message);
      const error = errorSchema.safeParse(message);
      if (steered.success) {
        clearTimeout(timer);
        socket.close();
        resolve(steered.data.step);
      } else {
        fail(error.success ? error.data.message : 'the server has answered what is no answer to an order');
      }
    });
    socket.on('close', (code, reason) => unreachable(String(reason) || `closed with code ${code}`));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
