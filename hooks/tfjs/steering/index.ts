export { type ContextSources, type LiveContext, liveContext } from './context.js';
export { SteeringCost } from './cost.js';
export { Fallbacks } from './fallbacks.js';
export { unmetTerms } from './needs.js';
export type { SteeringOrder } from './orders.js';
export { Steering, type SteeringParts } from './steering.js';
export type { SteeringWarning } from './warning.js';
