/** @import { GuardEvent } from '../guard/events.js' */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/**
 * Keeps a WebSocket open: connects again after it was lost, waiting longer each time, up to 15 s.
 * @param {string} url
 * @param {{
 *   onOpen: () => void,
 *   onLost: (waitMs: number) => void,
 *   onEvent: (event: GuardEvent) => void,
 *   onUnreadable: (why: string) => void,
 * }} handlers
 */
export function connect(url, handlers) {
  let wait = FIRST_WAIT_MS;

  const open = () => {
    const socket = new WebSocket(url);
    socket.addEventListener('open', () => {
      wait = FIRST_WAIT_MS;
      handlers.onOpen();
    });
    socket.addEventListener('message', (message) => read(message.data));
    socket.addEventListener('close', () => {
      // a little chance, so that many open pages do not all come back in the same instant
      const next = wait * (0.8 + 0.4 * Math.random());
      wait = Math.min(LONGEST_WAIT_MS, wait * 2);
      handlers.onLost(next);
      setTimeout(open, next);
    });
  };

  /** @param {unknown} data */
  const read = (data) => {
    try {
      if (typeof data !== 'string') {
        throw new Error('a binary message on the stream of events');
      }
      handlers.onEvent(JSON.parse(data));
    } catch (error) {
      handlers.onUnreadable(String(error));
    }
  };

  open();
}
