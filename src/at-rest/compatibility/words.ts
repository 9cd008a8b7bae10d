const MOST_CHARACTERS = 80;

/** A setting that two models do not share. Undefined or null: not set. */
export interface Difference {
  readonly field: string;
  readonly model: unknown;
  readonly base: unknown;
}

/**
 * A value of a configuration as people read it: bare text, or JSON, cut where it is long. Control characters and
 * invisible ones are written as escapes: they could steer a terminal, and two values may differ in nothing else.
 */
export function shown(value: unknown): string {
  if (value === undefined || value === null) {
    return 'not set';
  }
  return escaped(typeof value === 'string' && value !== '' ? value : JSON.stringify(value));
}

/** A text between quotation marks: it may be a blank, a comma or nothing at all. */
export function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

function escaped(text: string): string {
  const visible = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
  const characters = [...visible];
  return characters.length > MOST_CHARACTERS
    ? `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…`
    : visible;
}

/** "a is 1 in qwen-math, 2 in the base; b is 3, 4 in the base". */
export function describeDifferences(name: string, differences: readonly Difference[]): string {
  const parts: string[] = [];
  for (const { field, model, base } of differences) {
    const where = parts.length === 0 ? ` in ${name}` : '';
    const [ours, theirs] = [shown(model), shown(base)];
    parts.push(
      ours === theirs
        ? `${field} looks the same${where} and in the base (${ours}), but differs further on or in its type`
        : `${field} is ${ours}${where}, ${theirs} in the base`,
    );
  }
  return parts.join('; ');
}

/** "1 token", "5 tokens". */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
