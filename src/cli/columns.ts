import { cut, pad, padLeft, plain } from './text.js';

/** One line of a table: what it is about, and a cell a column. */
export interface Row {
  readonly head: string;
  readonly cells: readonly string[];
}

const BETWEEN = '  ';
/** A title that is longer is a number in the table, and the names stand above it; a single one needs no name. */
const LONGEST_TITLE = 20;

/**
 * Rows under column titles, cells at the right, no line longer than `width`: columns that do not fit beside each other
 * follow in further tables below.
 *
 * @param head title of the rows' heads
 * @param names of the columns; where one is long, numbers replace them and they are listed first
 */
export function columnTables(
  head: string,
  names: readonly string[],
  rows: readonly Row[],
  width: number,
): string[] {
  const isLong = names.some((name) => [...plain(name)].length > LONGEST_TITLE);
  const number = (at: number) => (names.length === 1 ? 'value' : `[${at + 1}]`);
  const titles = names.map((name, at) => (isLong ? number(at) : plain(name)));
  const lines: string[] = [];
  if (isLong && names.length > 1) {
    lines.push(...names.map((name, at) => cut(`${number(at)} ${plain(name)}`, width)), '');
  }
  const left = Math.max(...[head, ...rows.map((row) => row.head)].map((text) => [...text].length));
  const cells = [titles, ...rows.map((row) => row.cells)].flat();
  const column = Math.max(...cells.map((text) => [...text].length));
  const beside = Math.max(1, Math.floor((width - left) / (BETWEEN.length + column)));
  for (let from = 0; from < names.length; from += beside) {
    const line = (first: string, texts: readonly string[]) =>
      [pad(first, left), ...texts.slice(from, from + beside).map((text) => padLeft(text, column))]
        .join(BETWEEN)
        .trimEnd();
    lines.push(
      ...(from > 0 ? [''] : []),
      line(head, titles),
      ...rows.map((row) => line(row.head, row.cells)),
    );
  }
  return lines;
}
