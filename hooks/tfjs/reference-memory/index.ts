export { Comparisons } from './comparisons.js';
export { type MemoryBudget, mebibytes, memoryBudget } from './memory-budget.js';
export { placeLimits } from './place-limits.js';
export { ReferenceStore } from './reference-store.js';
export { type MemoryWarning, Retreat } from './retreat.js';
