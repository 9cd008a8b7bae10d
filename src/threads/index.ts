export { mapWithin } from './map-within.js';
export { type JobOptions, ThreadPool, type ThreadPoolOptions } from './pool.js';
export { serveThread } from './serve.js';
