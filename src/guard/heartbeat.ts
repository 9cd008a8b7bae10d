import type { WebSocket } from 'ws';

/**
 * Pings the other end of an open socket every `everyMs` and cuts the connection after `rounds` pings in a
 * row without any sign of life; stops by itself when the socket closes. Does not keep the process alive.
 */
export function keepHeartbeat(socket: WebSocket, everyMs: number, rounds: number): void {
  let unanswered = 0;
  let last = performance.now();
  const alive = () => {
    unanswered = 0;
  };
  const timer = setInterval(() => {
    const now = performance.now();
    const late = now - last > 1.5 * everyMs;
    last = now;
    if (late) {
      // this process was busy (a long training step): answers may lie unread, so the round says nothing
      return;
    }
    if (unanswered >= rounds) {
      socket.terminate();
      return;
    }
    unanswered += 1;
    socket.ping();
  }, everyMs);
  timer.unref();
  socket.on('pong', alive);
  socket.on('ping', alive);
  socket.on('message', alive);
  socket.once('close', () => clearInterval(timer));
}
