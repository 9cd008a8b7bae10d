import { serveThread } from '../../src/threads/index.js';

/** What a job asks this thread to do. */
export type Order =
  | { readonly do: 'double'; readonly value: number }
  | { readonly do: 'fill'; readonly values: Float64Array }
  | { readonly do: 'count' }
  | { readonly do: 'wait'; readonly turns: number; readonly fail: string | null }
  | { readonly do: 'fail'; readonly message: string }
  | { readonly do: 'answer with a function' }
  | { readonly do: 'die' }
  | { readonly do: 'hang' };

let jobs = 0;

serveThread(
  (order: Order): unknown => {
    jobs += 1;
    switch (order.do) {
      case 'double':
        return 2 * order.value;
      case 'fill':
        return order.values.fill(7);
      case 'count':
        return jobs;
      case 'wait':
        return wait(order.turns, order.fail);
      case 'fail':
        throw new Error(order.message);
      case 'answer with a function':
        return () => 0;
      case 'die':
        return process.exit(3);
      case 'hang':
        for (;;);
    }
  },
  (output) => (output instanceof Float64Array ? [output.buffer as ArrayBuffer] : []),
);

async function wait(turns: number, fail: string | null): Promise<number> {
  for (let i = 0; i < turns; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (fail !== null) {
    throw new Error(fail);
  }
  return turns;
}
