import { stripVTControlCharacters } from 'node:util';

/** How an accuracy is read, for messages. */
export const HOW_READ =
  'the accuracy is the last number on the last line that is not empty of what it prints';

const NUMBER = /(?<![\p{L}\p{N}_.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\p{L}\p{N}_])/giu;
const MOST_SHOWN = 80;

/** The accuracy that a program printed on standard output, a fraction 0..1, or what is wrong with it, a sentence. */
export function readAccuracy(output: string): number | string {
  const line = stripVTControlCharacters(output)
    // progress bars go back to the beginning of their line
    .split(/[\r\n]/)
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .at(-1);
  if (line === undefined) {
    return `it printed nothing; ${HOW_READ}`;
  }
  const shown = JSON.stringify(line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN)}...` : line);
  const found = [...line.matchAll(NUMBER)].at(-1);
  if (found === undefined) {
    return `there is no number on its last line ${shown}; ${HOW_READ}`;
  }
  const accuracy = Number(found[0]);
  const isPercent = line
    .slice(found.index + found[0].length)
    .trimStart()
    .startsWith('%');
  if (!(accuracy >= 0 && accuracy <= 1) || isPercent) {
    const read = `it printed ${found[0]}${isPercent ? ' %' : ''}, read from its last line ${shown}`;
    return `${read}; an accuracy is a fraction 0..1${accuracy > 1 || isPercent ? '; does it print per cent?' : ''}`;
  }
  return accuracy;
}
