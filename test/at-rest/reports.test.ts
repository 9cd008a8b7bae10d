import { describe, expect, it } from 'vitest';
import {
  type Comparison,
  type ModelAtRest,
  matrixCsv,
  matrixReport,
  scoreReport,
} from '../../src/at-rest/index.js';
import { loadFingerprint, parseTable } from '../../src/fingerprint/index.js';
import {
  computePairMetrics,
  hostStatistics,
  metricNames,
  type PairMetrics,
  type PairStatistics,
} from '../../src/metrics/index.js';
import { Random } from '../../src/tensors/index.js';

const COVERAGE = { matched: 1, total: 2, parameters: 0.75, excluded: [{ name: 'head', reason: 'not in b' }] };
const FINDING = { severity: 'error', check: 'vocabulary', model: 'b', text: 'another size' } as const;

/** Metrics of two random task vectors; those that need more than weights are null. */
function metrics(seed: number): PairMetrics {
  const random = new Random('reports', seed);
  const tau = () =>
    new Map([['w', { shape: [6, 5], data: Float64Array.from({ length: 30 }, () => random.normal()) }]]);
  const references = [{ name: 'other', taskVector: tau() }];
  return computePairMetrics(hostStatistics({ live: { taskVector: tau() }, references }), 0);
}

function comparison(...names: [a: string, b: string, task?: string][]): Comparison {
  return {
    pairs: names.map(([a, b, task = b], seed) => ({
      a: { name: a, task: a } as ModelAtRest,
      b: { name: b, task } as ModelAtRest,
      metrics: metrics(seed),
      statistics: {} as PairStatistics,
    })),
    coverage: COVERAGE,
    findings: [FINDING],
    notes: ['a note'],
  };
}

describe('the report of a matrix', () => {
  const { pairs, ...common } = matrixReport(comparison(['a', 'b'], ['a', 'c']));

  it('has a number or null for every metric, and for every null its reason', () => {
    expect(pairs.map(({ a, b }) => [a, b])).toEqual([
      ['a', 'b'],
      ['a', 'c'],
    ]);
    for (const { metrics: values, reasons } of pairs) {
      expect(Object.keys(values)).toEqual([...metricNames]);
      expect(values.task_vector_l2_distance).toBeGreaterThan(0);
      expect(values.activation_l2_distance).toBeNull();
      expect(Object.keys(reasons)).toEqual(metricNames.filter((name) => values[name] === null));
    }
  });

  it('says what was compared and what was found', () => {
    expect(common).toEqual({ coverage: COVERAGE, findings: [FINDING], notes: ['a note'] });
  });

  it('is the same after JSON', () => {
    expect(JSON.parse(JSON.stringify(pairs))).toEqual(pairs);
  });
});

describe('the report of a score', () => {
  it('has metrics alone without a fingerprint', () => {
    const report = scoreReport(comparison(['a', 'b'], ['a', 'c']), null);
    expect([report.model, report.fingerprint, report.target]).toEqual(['a', null, null]);
    expect(report.references.map(({ reference, scores }) => [reference, scores])).toEqual([
      ['b', []],
      ['c', []],
    ]);
  });

  it('has a prediction by every method of the fingerprint, from weights alone', async () => {
    const fingerprint = await loadFingerprint('demo');
    const report = scoreReport(comparison(['a', 'b']), fingerprint);
    expect([report.fingerprint, report.target]).toEqual([fingerprint.name, 'normalized_acc']);
    const { scores } = report.references[0]!;
    expect(scores.map(({ method }) => method)).toEqual(Object.keys(fingerprint.methods));
    for (const score of scores) {
      expect(score).not.toHaveProperty('uncorrected');
      expect(score.low).toBeLessThan(score.value!);
      expect(score.value).toBeLessThan(score.high!);
      expect(score.basis).not.toContain('gradients');
    }
  });

  it('knows a reference by the name that it gives itself', async () => {
    const fingerprint = await loadFingerprint('demo');
    const known = Object.values(fingerprint.methods)[0]!.variants[0]!;
    const task = Object.keys(known.effects).find((name) => known.effects[name] !== 0);
    expect(task).toBeDefined();
    const [strange, own] = [undefined, task].map(
      (name) => scoreReport(comparison(['a', 'file', name]), fingerprint).references[0]!,
    );
    expect(own!.reference).toBe('file');
    expect(own!.scores[0]!.value).not.toBe(strange!.scores[0]!.value);
  });
});

describe('the CSV of a matrix', () => {
  it('is read back as a table once outcomes are added, whatever the models are called', () => {
    const names = ['plain', 'with, comma', 'with "quotes"', 'two\nlines', 'modèle 🙂'];
    const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b): [string, string] => [a, b]));
    const report = matrixReport(comparison(...pairs));
    const csv = matrixCsv(report);
    // rows end in an empty cell: the last metric needs more than weights
    const table = csv.replace(/\n/, ',normalized_acc_ties\n').replaceAll(/,\n/g, ',,0.9\n');
    const { rows } = parseTable(table, { target: 'normalized_acc' });
    expect(rows.map(({ taskA, taskB }) => [taskA, taskB])).toEqual(pairs);
    expect(rows.map((row) => row.metrics)).toEqual(report.pairs.map((pair) => pair.metrics));
  });

  it('has a column for every metric', () => {
    const [header] = matrixCsv(matrixReport(comparison(['a', 'b']))).split('\n');
    expect(header!.split(',')).toEqual(['task_a', 'task_b', ...metricNames]);
  });
});
