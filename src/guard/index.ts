export { loadConfig, parseConfig, readOptions, resolveConfig } from './config.js';
export {
  configJsonSchema,
  configSchema,
  type GuardConfig,
  type GuardConfigInput,
  type TermOptions,
} from './config-schema.js';
export { Memory } from './event-stream.js';
export * from './events.js';
export { createGuard } from './guard.js';
export { keepHeartbeat } from './heartbeat.js';
export { connectGuard, type RemoteGuard, type RemoteOptions } from './remote.js';
export type { Guard, ManualOrder, Observation, RunSetup } from './types.js';
export { VERSION } from './version.js';
export { decodeObservation, encodeObservation } from './wire.js';
export {
  type OpenMessage,
  parseFirstMessage,
  parseProducerMessage,
  type SteerMessage,
} from './wire-messages.js';
