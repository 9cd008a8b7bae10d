import type { AlertEvent } from '../../../src/guard/index.js';

/** What of an alert about steering is its own. */
export type SteeringWarning = Pick<AlertEvent, 'title' | 'text' | 'evidence'>;
