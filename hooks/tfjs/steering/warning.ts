import type { AlertEvent } from '../../../src/guard/index.js';

/** What of an alert about steering is its own; without a level it is a warning. */
export type SteeringWarning = Pick<AlertEvent, 'title' | 'text' | 'evidence'> &
  Partial<Pick<AlertEvent, 'level'>>;
