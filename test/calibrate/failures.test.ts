import { expect, it } from 'vitest';
import { failureLines } from '../../src/calibrate/failures.js';
import type { FailureEntry } from '../../src/calibrate/journal-entry.js';

it('shows no more than the beginning of a long line of a program', () => {
  const example: FailureEntry = {
    kind: 'failure',
    key: 'k',
    time: '2026-01-01T00:00:00Z',
    models: ['a'],
    merge: null,
    parameters: {},
    scale: 1,
    task: 'a',
    reason: 'it ended with exit code 3',
    errors: ['x'.repeat(60_000), 'last word'],
  };
  expect(failureLines([{ reason: example.reason, count: 1, example }]).slice(-2)).toEqual([
    `      ${'x'.repeat(200)}...`,
    '      last word',
  ]);
});
