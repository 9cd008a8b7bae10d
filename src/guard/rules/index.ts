import { accuracy } from './accuracy.js';
import { conflict } from './conflict.js';
import { domain } from './domain.js';
import { nonFinite } from './non-finite.js';
import { trend } from './trend.js';

export { Gate } from './gate.js';
export type { Reading, Rule, RuleInfo } from './rule.js';

/** Every alert rule by its name in the configuration. Adding one is adding a file and a line here. */
export const RULES = { accuracy, trend, conflict, nonFinite, domain };
