import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FEATURES, parseTable, type TableRow } from '../../src/fingerprint/index.js';
import { isDirected } from '../../src/fingerprint/table.js';
import { MergeguardError } from '../../src/tensors/errors.js';
import { type Cells, cellsOf, csvOf, namedTable, withCell } from './csv-table.js';
import { publishedFolder, publishedMetrics, publishedMissing, publishedRows } from './published.js';
import { TASKS } from './synthetic.js';

const target = 'normalized_acc';
const rows = namedTable();
const good = cellsOf(rows);
const pairs = rows.map(({ taskA, taskB }) => [taskA, taskB]);

/** A column more, with the same cell or a cell of its own in every row. */
function withColumn(cells: Cells, name: string, cell: string | ((line: number) => string)): Cells {
  return cells.map((row, i) => [...row, i === 0 ? name : typeof cell === 'string' ? cell : cell(i + 1)]);
}

function withoutColumn(cells: Cells, name: string): Cells {
  const at = cells[0].indexOf(name);
  return cells.map((row) => row.toSpliced(at, 1));
}

/** The message with which a table is refused. */
function refusal(text: string | Cells, wanted: 'normalized_acc' | 'acc' = target): string {
  try {
    parseTable(typeof text === 'string' ? text : csvOf(text), { target: wanted, path: 'pairs.csv' });
  } catch (error) {
    expect(error).toBeInstanceOf(MergeguardError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

describe('parseTable', () => {
  it('reads tasks, metrics, outcomes, and self-probes, and has nothing to say of a good table', () => {
    const table = parseTable(csvOf(good), { target });
    expect(table).toEqual({ rows, metrics: Object.keys(rows[0].metrics), notices: [] });
  });

  it('gives back the rows that were written', () => {
    const task = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .filter((name) => name.trim() === name && !/[\r\n]/.test(name));
    // text has no -0
    const number = (min: number, max: number) =>
      fc.double({ noNaN: true, min, max }).map((value) => value + 0);
    const metric = fc.option(number(-1e300, 1e300));
    const outcome = fc.option(number(0, 1.2));
    const table = fc
      .record({
        tasks: fc.uniqueArray(task, { minLength: 7, maxLength: 7 }),
        metrics: fc.uniqueArray(fc.constantFrom(...FEATURES), { maxLength: 4 }),
        methods: fc.uniqueArray(fc.constantFrom('ties', 'tsv', 'task_arithmetic@0.6'), { minLength: 1 }),
        checkpoints: fc.boolean(),
        newline: fc.constantFrom('\n', '\r\n'),
        bom: fc.boolean(),
      })
      .chain(({ tasks, metrics, methods, checkpoints, ...rest }) => {
        const cellsFor = (names: string[], cell: fc.Arbitrary<number | null>) =>
          fc.record(Object.fromEntries(names.map((name) => [name, cell])), { noNullPrototype: true });
        const row = (a: number, b: number): fc.Arbitrary<TableRow> =>
          fc.record(
            {
              taskA: fc.constant(tasks[a]),
              taskB: fc.constant(tasks[b]),
              ...(checkpoints && { checkpoint: task }),
              metrics: cellsFor(metrics, metric),
              outcomes: cellsFor(methods, outcome),
              selfProbe: fc.option(number(0, 2)),
            },
            { noNullPrototype: true },
          );
        const indices = pairs.map(([a, b]) => [TASKS.indexOf(a), TASKS.indexOf(b)] as const);
        return fc.record({
          rows: fc.tuple(...indices.map(([a, b]) => row(a, b))),
          text: fc.constant(rest),
        });
      });
    fc.assert(
      fc.property(table, ({ rows: written, text: { newline, bom } }) => {
        const text = `${bom ? '\ufeff' : ''}${csvOf(cellsOf(written), newline)}`;
        expect(parseTable(text, { target }).rows).toEqual(written);
      }),
      { seed: 5, numRuns: 60 },
    );
  });

  it('takes a byte order mark, CRLF, quotes, blank lines, lines of empty cells, and spaces around cells', () => {
    const [header, ...lines] = csvOf(good).trim().split('\n');
    const quoted = lines.map((line) => line.replace(/^(\w+),(\w+),/, '"$1" , " $2 ", ').concat('  '));
    const commas = ','.repeat(good[0].length - 1);
    const text = `\ufeff${[header.replace('task_a', '"task_a" '), '', ...quoted, '   ', commas, ''].join('\r\n')}`;
    expect(parseTable(text, { target }).rows).toEqual(rows);
  });

  it('takes an empty cell for a missing value', () => {
    const holes = withCell(withCell(good, 2, 'effective_rank', ''), 3, 'normalized_acc_ties', ' ');
    const table = parseTable(csvOf(withCell(holes, 4, 'self_probe', '')), { target });
    expect(table.rows[0].metrics.effective_rank).toBeNull();
    expect(table.rows[1].outcomes.ties).toBeNull();
    expect(table.rows[2].selfProbe).toBeNull();
    expect(table.notices).toEqual([
      '1 of 21 rows lack a metric (effective_rank): a variant that uses one is fitted without the rows that lack it',
      'column normalized_acc_ties has no value in 1 of 21 rows: ties is fitted on the others',
    ]);
  });

  it('reads the outcomes of the target that is asked for, and arithmetic as task_arithmetic', () => {
    const raw = withColumn(withColumn(good, 'acc_ties', '0.5'), 'acc_arithmetic', '0.25');
    const table = parseTable(csvOf(raw), { target: 'acc' });
    expect(table.rows[0].outcomes).toEqual({ ties: 0.5, task_arithmetic: 0.25 });
    expect(table.notices).toEqual([
      'column normalized_acc_weight_avg has no acc_weight_avg beside it: weight_avg is left out',
      'column acc_arithmetic has no normalized_acc_task_arithmetic beside it',
    ]);
  });

  it('takes pairs in both orders and repeated at checkpoints: such a table is directed', () => {
    expect(isDirected(parseTable(csvOf(good), { target }).rows)).toBe(false);
    const turned = good.slice(1).map(([a, b, ...rest]) => [b, a, ...rest]);
    expect(isDirected(parseTable(csvOf([...good, ...turned]), { target }).rows)).toBe(true);
    const at = (checkpoint: string) => good.slice(1).map((row) => row.with(2, checkpoint));
    const checkpoints = parseTable(csvOf([good[0], ...at('50'), ...at('100')]), { target });
    expect(isDirected(checkpoints.rows)).toBe(true);
    expect(checkpoints.rows[21].checkpoint).toBe('100');
  });

  it.skipIf(publishedMissing)('reads the published tables', () => {
    for (const name of ['vit-b-16-adamw', 'vit-b-32-adamw']) {
      const text = readFileSync(`${publishedFolder}${name}.csv`, 'utf8');
      const table = parseTable(text, { target });
      const expected = publishedRows(name).map(({ outcomes: { arithmetic, ...outcomes }, ...row }) => ({
        ...row,
        outcomes: { ...outcomes, task_arithmetic: arithmetic },
      }));
      expect(table.rows).toEqual(expected);
      expect([...table.metrics].sort()).toEqual([...publishedMetrics].sort());
    }
  });
});

describe('a table that is refused', () => {
  const outcome = 'normalized_acc_ties';
  it.each<[string, string | Cells, RegExp]>([
    ['an empty file', '', /^pairs.csv can not be fitted:\n {2}- it is empty/],
    ['blank lines only', '\n  \n', /it is empty/],
    ['a header only', csvOf(good.slice(0, 1)), /line 1: there is a header, but no row below it/],
    [
      'no CSV',
      'task_a,"task_b\na,b',
      /^pairs.csv is not CSV with commas and double quotes: Quote Not Closed/,
    ],
    [
      'semicolons',
      csvOf(good).replaceAll(',', ';'),
      /task_a: it is missing; cells must be separated by comm/,
    ],
    ['no task_a', withoutColumn(good, 'task_a'), /line 1, column task_a: it is missing$/m],
    [
      'a misspelled task_b',
      withCell(good, 1, 'task_b', 'Task B'),
      /line 1, column task_b: it is missing; is it Task B\?/,
    ],
    [
      'a column twice',
      withColumn(good, 'effective_rank', '2'),
      /line 1, column effective_rank: it is there twice, as column 6 and 10/,
    ],
    [
      'a method under two names',
      withColumn(withColumn(good, 'normalized_acc_arithmetic', '1'), 'normalized_acc_task_arithmetic', '1'),
      /column normalized_acc_task_arithmetic: .*task_arithmetic, as normalized_acc_arithmetic is; only one/,
    ],
    [
      'a row with a cell too few',
      good.map((row, i) => (i === 3 ? row.slice(0, -1) : row)),
      /line 4: it has 8 cells, the header has 9$/m,
    ],
    [
      'a row with a cell too many',
      good.map((row, i) => (i === 3 ? [...row, '1'] : row)),
      /line 4: it has 10 cells, the header has 9$/m,
    ],
    ['no task', withCell(good, 5, 'task_b', ' '), /line 5, column task_b: there is no name of a task/],
    [
      'nan',
      withCell(good, 2, 'effective_rank', 'nan'),
      /line 2, column effective_rank: "nan" is not a number/,
    ],
    ['NA', withCell(good, 3, outcome, 'NA'), /line 3, column normalized_acc_ties: "NA".*empty cell/],
    ['text', withCell(good, 2, 'self_probe', 'abc'), /line 2, column self_probe: "abc" is not a number/],
    [
      'inf',
      withCell(good, 2, 'effective_rank', '-inf'),
      /line 2, column effective_rank: "-inf" is not a num/,
    ],
    ['hexadecimal', withCell(good, 2, 'effective_rank', '0x10'), /"0x10" is not a number/],
    ['a huge number', withCell(good, 2, 'effective_rank', '1e999'), /"1e999" is too large/],
    [
      'per cent',
      withCell(good, 2, outcome, '91.5'),
      /line 2 \(ant, bee\), column normalized_acc_ties: accuracy 91.5 is outside 0..1.2; it looks like per cent, write 0.915/,
    ],
    [
      'a negative accuracy',
      withCell(good, 2, outcome, '-0.1'),
      /line 2 .*normalized_acc_ties: accuracy -0.1 is outside 0..1.2$/m,
    ],
    [
      'a negative self-probe',
      withCell(good, 2, 'self_probe', '-1'),
      /line 2 \(ant, bee\), column self_probe: -1 is not an accuracy ratio/,
    ],
    [
      'a self pair',
      withCell(good, 2, 'task_b', 'ant'),
      /line 2 \(ant, ant\): a pair of a task with itself \(columns task_a and task_b\)/,
    ],
    [
      'a repeated pair',
      [...good, good[3]],
      /line 23 \(ant, dog\): the same pair as line 4 \(columns task_a and task_b\)/,
    ],
    [
      'no outcome at all',
      withoutColumn(withoutColumn(good, outcome), 'normalized_acc_weight_avg'),
      /none of an/,
    ],
    [
      'a misspelled outcome',
      withCell(withoutColumn(good, 'normalized_acc_weight_avg'), 1, outcome, 'normalised_acc_ties'),
      /a column normalized_acc_<method> is needed; is it normalised_acc_ties\?/,
    ],
    [
      'too few tasks',
      good.slice(0, 7),
      /2 tasks and|7 tasks and 6 different pairs; at least 5 tasks and 10 pairs/,
    ],
    [
      'too few pairs',
      good.filter((row, i) => i === 0 || !row.includes('ant')).slice(0, 10),
      /6 tasks and 9 different pairs; at least 5 tasks and 10 pairs are needed/,
    ],
  ])('for %s', (_, text, message) => {
    expect(refusal(text)).toMatch(message);
  });

  it('for outcomes of the other target only, which are named', () => {
    expect(refusal(good, 'acc')).toBe(
      'pairs.csv can not be fitted:\n' +
        '  - line 1: no outcome of the target acc: a column acc_<method> is needed; ' +
        'there are only normalized_acc_ties, normalized_acc_weight_avg (target normalized_acc)',
    );
  });

  it('with every problem at once, the first 20 of them', () => {
    const two = withCell(withCell(good, 2, 'effective_rank', 'x'), 4, 'task_b', 'ant');
    expect(
      refusal([...two, two[6]])
        .split('\n')
        .slice(1),
    ).toEqual([
      '  - line 2, column effective_rank: "x" is not a number; a missing value is an empty cell',
      '  - line 4 (ant, ant): a pair of a task with itself (columns task_a and task_b)',
      expect.stringMatching(/line 23 .*: the same pair as line 7/),
    ]);
    const percents = good.map((row, i) => (i === 0 ? row : row.with(-1, '90').with(-2, '80')));
    const lines = refusal(percents).split('\n');
    expect(lines).toHaveLength(22);
    expect(lines[21]).toBe('  - and 22 more');
  });

  it('naming lines of the file, also past blank lines and cells of several lines', () => {
    const [header, first, second, ...rest] = csvOf(withCell(good, 3, 'effective_rank', 'x')).split('\n');
    const long = first.replace(/^ant/, '"ant\nand\nbee"');
    // header 1, blank 2, long 3 to 5, blank 6, second 7
    const text = [header, '', long, '  ', second, ...rest];
    expect(refusal(text.join('\n'))).toMatch(/line 7, column effective_rank: "x"/);
    expect(refusal(text.join('\r\n'))).toMatch(/line 7, column effective_rank: "x"/);
    const mixed = text.join('\r\n').replace('\r\n', '\n');
    expect(refusal(mixed)).toMatch(/line 7, column effective_rank: "x"/);
    const wrongInLong = csvOf(withCell(good, 2, 'effective_rank', 'x')).replace(
      /^ant,bee/m,
      '"ant\nand",bee',
    );
    expect(refusal(wrongInLong)).toMatch(/line 2, column effective_rank: "x"/);
  });

  it('for any text with a MergeguardError and nothing else', () => {
    const cell = fc.constantFrom(
      'task_a',
      'task_b',
      'acc_x',
      'effective_rank',
      '"',
      '\n',
      ',',
      'a',
      '1',
      '\r',
      '__proto__',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(cell, fc.string({ maxLength: 4 })), { maxLength: 60 }), (parts) => {
        expect(refusal(parts.join('')).length).toBeGreaterThan(0);
      }),
      { seed: 6, numRuns: 300 },
    );
  });
});

describe('notices', () => {
  it.each<[string, Cells, string[]]>([
    [
      'a constant metric',
      withColumn(good, 'stable_rank', '4'),
      ['column stable_rank is 4 in every row: not used'],
    ],
    [
      'an empty metric',
      withColumn(good, 'stable_rank', ''),
      ['column stable_rank is empty in every row: not used'],
    ],
    [
      'a metric with one value',
      withColumn(good, 'stable_rank', (line) => (line === 5 ? '4' : '')),
      ['column stable_rank is 4 in every row that has it: not used'],
    ],
    [
      'a constant self-probe',
      cellsOf(rows.map((row) => ({ ...row, selfProbe: 0.5 }))),
      ['column self_probe is 0.5 in every row: not used'],
    ],
    [
      'an outcome without values',
      withColumn(good, 'normalized_acc_tsv', ''),
      ['column normalized_acc_tsv has no value: there is nothing to fit tsv on'],
    ],
    [
      'columns that are not known',
      withColumn(withColumn(good, 'stabel_rank', '1'), 'remark', 'x'),
      [
        'column stabel_rank is not known and is left out; did you mean stable_rank?',
        'column remark is not known and is left out',
      ],
    ],
    [
      'a misspelled outcome beside others',
      withColumn(good, 'normalised_acc_tsv', '1'),
      ['column normalised_acc_tsv is not known and is left out; did you mean normalized_acc_tsv?'],
    ],
    ['a column without a name', withColumn(good, '', '1'), ['column 10 has no name and is left out']],
  ])('name %s', (_, cells, notices) => {
    const table = parseTable(csvOf(cells), { target });
    expect(table.notices).toEqual(notices);
    expect(table.metrics).toEqual(Object.keys(rows[0].metrics));
  });

  it('count the rows that lack a metric, and name one that most rows lack', () => {
    const rare = withColumn(good, 'stable_rank', (line) => (line > 12 ? '' : String(line)));
    expect(parseTable(csvOf(rare), { target }).notices).toEqual([
      '10 of 21 rows lack a metric (stable_rank): a variant that uses one is fitted without the rows that lack it',
    ]);
    const rarer = withColumn(good, 'stable_rank', (line) => (line > 11 ? '' : String(line)));
    expect(parseTable(csvOf(rarer), { target }).notices).toEqual([
      'column stable_rank is empty in 11 of 21 rows: a metric that more than half of the rows lack is not used',
    ]);
  });
});

describe('the notices of a table', () => {
  it('are about the outcomes of the methods that were asked for', () => {
    const holes = withCell(good, 2, 'normalized_acc_ties', '');
    const notices = (methods?: string[]) => parseTable(csvOf(holes), { target, methods }).notices;
    expect(notices().join()).toContain('normalized_acc_ties has no value in 1 of 21 rows');
    expect(notices(['ties'])).toEqual(notices());
    expect(notices(['weight_avg']).join()).not.toContain('ties');
  });
});
