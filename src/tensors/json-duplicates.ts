/** End (exclusive) of the JSON string literal that starts at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') {
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

const SPACE = new Set([' ', '\t', '\n', '\r']);

/**
 * Keys that occur twice in one object of a JSON text, at any depth. JSON.parse keeps the last one without a
 * word. The text must be valid JSON (parse it first).
 */
export function findDuplicateKeys(text: string): string[] {
  const duplicates: string[] = [];
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; ) {
    const char = text[at];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(null);
    else if (char === '}' || char === ']') open.pop();
    if (char !== '"') {
      at++;
      continue;
    }
    const end = stringEnd(text, at);
    let next = end;
    while (SPACE.has(text[next] ?? '')) next++;
    if (text[next] === ':') {
      // Two spellings of one key ("a" and "\u0061") are one key.
      const key = JSON.parse(text.slice(at, end)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) duplicates.push(key);
      keys?.add(key);
    }
    at = end;
  }
  return duplicates;
}
