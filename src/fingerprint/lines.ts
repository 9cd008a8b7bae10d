/** Numbers and lines of the texts about a fingerprint. */

/** Columns of a terminal that the texts are made for. */
export const WIDTH = 100;

/**
 * Lines of at most WIDTH characters, broken between words; a longer word stands alone.
 *
 * @param first what the first line begins with; the others are indented as far
 */
export function wrap(first: string, text: string): string[] {
  const indent = ' '.repeat([...first].length);
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(/\s+/)) {
    if (!isEmpty && [...line].length + 1 + [...word].length > WIDTH) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  lines.push(line);
  return lines;
}

/** Hundredths of a fraction: 0.0195 is "1.95". */
export function points(fraction: number, digits = 2): string {
  // Adding 0 turns -0 into 0.
  return (Number((100 * fraction).toFixed(digits)) + 0).toFixed(digits);
}

/** The same with its sign: "+1.95". */
export function signedPoints(fraction: number): string {
  const text = points(fraction);
  return Number(text) > 0 ? `+${text}` : text;
}

/** "1.44 to 2.47" */
export function pointsRange([low, high]: readonly [number, number]): string {
  return `${points(low)} to ${points(high)}`;
}

export function percent(fraction: number): string {
  return `${Number((100 * fraction).toFixed(1))} %`;
}

export function correlation(r: number | null): string {
  return r === null ? 'unknown' : r.toFixed(2);
}
