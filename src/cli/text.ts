/** Small pieces of text for a terminal. */

export type Colour = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan';

const CODES: Record<Colour, number> = { bold: 1, dim: 2, red: 31, yellow: 33, green: 32, cyan: 36 };
const BARS = '▁▂▃▄▅▆▇█';

/**
 * Text from the wire without what could steer a terminal: control characters (escape sequences begin with
 * one), invisible format characters such as direction overrides, and line separators.
 */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '');
}

/** Cut or filled up to exactly `width` characters; a cut ends with an ellipsis. */
export function pad(text: string, width: number): string {
  const characters = [...text];
  if (characters.length > width) {
    return width < 1 ? '' : `${characters.slice(0, width - 1).join('')}…`;
  }
  return text + ' '.repeat(width - characters.length);
}

/** The same with the text at the right. */
export function padLeft(text: string, width: number): string {
  const fitting = cut(text, width);
  return ' '.repeat(width - [...fitting].length) + fitting;
}

/**
 * Words in lines of at most `width` characters; longer words stay whole. Lines after the first begin with `indent`, the first as
 * the text does.
 */
export function wrapped(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=[^ ]) /)) {
    if (line !== '' && [...line].length + 1 + [...word].length > width) {
      lines.push(line);
      line = indent + word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Cut to at most `width` characters. */
export function cut(text: string, width: number): string {
  return pad(text, Math.min(width, [...text].length));
}

export function paint(text: string, colour: Colour, enabled: boolean): string {
  return enabled && text !== '' ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}

/** A fraction as per cent with one digit, "–" where there is none. */
export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${(100 * value).toFixed(1)} %`;
}

/**
 * Values on the fixed scale [low, high] as at most `width` characters; more values than characters are
 * averaged in equal stretches. Nulls are blank, values beyond the scale are drawn at its ends.
 */
export function sparkline(
  values: readonly (number | null)[],
  width: number,
  [low, high]: readonly [number, number],
): string {
  const columns = Math.min(width, values.length);
  let line = '';
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * values.length) / columns);
    const to = Math.floor(((column + 1) * values.length) / columns);
    const known = values.slice(from, to).filter((value) => value !== null);
    if (known.length === 0) {
      line += ' ';
      continue;
    }
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    const height = high > low ? (mean - low) / (high - low) : 0;
    line += BARS[Math.max(0, Math.min(BARS.length - 1, Math.floor(height * BARS.length)))];
  }
  return line;
}

/** "[####----]" filled to the fraction, `width` characters between the brackets. */
export function bar(fraction: number, width: number): string {
  const filled = Math.round(Math.max(0, Math.min(1, fraction)) * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`;
}

/** "12.3 kB" or "4.5 MB". */
export function bytes(count: number): string {
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
