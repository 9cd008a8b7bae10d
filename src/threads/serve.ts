import { parentPort } from 'node:worker_threads';
import { messageOf } from '../tensors/errors.js';
import type { Reply } from './pool.js';

/**
 * The thread's side of ThreadPool: one input in, one output or one error text out. A pool gives a thread one job at a time.
 *
 * @param transfer buffers of an output that move to the other side in place of being copied; none by default
 */
export function serveThread<Input, Output>(
  work: (input: Input) => Output | Promise<Output>,
  transfer: (output: Output) => readonly ArrayBuffer[] = () => [],
): void {
  const answer = (reply: Reply<Output>, moved: readonly ArrayBuffer[] = []) =>
    parentPort?.postMessage(reply, [...moved]);
  parentPort?.on('message', async (input: Input) => {
    const start = performance.now();
    const ms = () => performance.now() - start;
    try {
      const output = await work(input);
      answer({ output, ms: ms() }, transfer(output));
    } catch (error) {
      answer({ error: messageOf(error), ms: ms() });
    }
  });
  // An array whose buffer had been moved away before arrives as this.
  parentPort?.on('messageerror', (error: Error) =>
    answer({ error: `it did not arrive: ${messageOf(error)}`, ms: 0 }),
  );
}
