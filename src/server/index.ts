export type { Health } from './http.js';
export type { OutboxLimits } from './outbox.js';
export type { OpenRun } from './producer.js';
export type { Steerable } from './runs.js';
export { type Server, type ServerOptions, startServer } from './server.js';
