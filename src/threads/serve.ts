import { parentPort } from 'node:worker_threads';
import { messageOf } from '../tensors/errors.js';
import type { Reply } from './pool.js';

/**
 * The thread's side of ThreadPool: one input in, one output or one error text out.
 *
 * @param transfer buffers of an output that move to the other side in place of being copied; none by default
 */
export function serveThread<Input, Output>(
  work: (input: Input) => Output,
  transfer: (output: Output) => readonly ArrayBuffer[] = () => [],
): void {
  parentPort?.on('message', (input: Input) => {
    let reply: Reply<Output>;
    let moved: readonly ArrayBuffer[] = [];
    try {
      const output = work(input);
      moved = transfer(output);
      reply = { output };
    } catch (error) {
      reply = { error: messageOf(error) };
    }
    parentPort?.postMessage(reply, [...moved]);
  });
}
