import { serveThread } from '../../src/threads/index.js';

/** What a job asks this thread to do. */
export type Order =
  | { readonly do: 'double'; readonly value: number }
  | { readonly do: 'fill'; readonly values: Float64Array }
  | { readonly do: 'count' }
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
