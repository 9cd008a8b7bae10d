// Keys of rank_pattern and alpha_pattern are regular expressions of whoever wrote the adapter, and one can be made that a
// RegExp takes years for. So those that configs really hold are read here, and matched without ever going back.

/** A place in a pattern: it is left by a character, or without one. */
interface State {
  /** the characters that it is left by; null: it is left without */
  readonly accepts: ((character: string) => boolean) | null;
  /** where in the name it can be left without a character; anywhere where it is not said */
  readonly only?: 'at the start' | 'at the end';
  readonly next: number[];
}

/** Begins in its first state and ends in its second. */
export type Pattern = readonly State[];

const [START, END] = [0, 1];
const MOST_CHARACTERS = 2000;
/** a letter or the like, a dot, a digit or a simple class; all but the first may be repeated */
const TOKEN = /[^\\^$.|?*+()[\]{}]|(?:\\[.d]|\.|\[(?:[\p{L}\p{N}_](?:-[\p{L}\p{N}_])?)+\])[*+]?/uy;

/**
 * A key as a pattern: dotted names with `\.`, `.*`, `\d+`, `[0-9]+`, `^`, `$` and alternation, also in groups that are
 * neither nested nor repeated. Null for any other regular expression, and for what is none.
 */
export function parsePattern(key: string): Pattern | null {
  if (key.length > MOST_CHARACTERS || !isRegExp(key)) {
    return null;
  }
  const reader = new PatternReader(key);
  return reader.readAlternatives(START, END, false) && reader.isAtEnd ? reader.states : null;
}

function isRegExp(text: string): boolean {
  try {
    // "u": what only Python knows (\Z) is an error, not a letter.
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

class PatternReader {
  readonly states: State[] = [
    { accepts: null, next: [] },
    { accepts: null, next: [] },
  ];
  readonly #key: string;
  #at = 0;

  constructor(key: string) {
    this.#key = key;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#key.length;
  }

  /** Ways from one state to another, as far as the key or the group goes. False for what is not read. */
  readAlternatives(from: number, to: number, inGroup: boolean): boolean {
    do {
      const last = this.#readSequence(this.#add(null, from), inGroup);
      if (last === null) {
        return false;
      }
      this.states[last]!.next.push(to);
    } while (this.#eat('|'));
    return true;
  }

  /** The state that a sequence ends in; null for what is not read. */
  #readSequence(from: number, inGroup: boolean): number | null {
    let last: number | null = from;
    while (last !== null && !this.isAtEnd && !'|)'.includes(this.#key[this.#at]!)) {
      if (this.#eat('^')) {
        last = this.#add(null, last, 'at the start');
      } else if (this.#eat('$')) {
        last = this.#add(null, last, 'at the end');
      } else if (this.#eat('(')) {
        last = inGroup ? null : this.#readGroup(last);
      } else {
        last = this.#readToken(last);
      }
    }
    return last;
  }

  #readGroup(from: number): number | null {
    this.#eat('?:');
    const end = this.#add(null);
    const isRead = this.readAlternatives(from, end, true) && this.#eat(')');
    // A repeated group is not read: what follows it would have to be a token.
    return isRead ? end : null;
  }

  #readToken(from: number): number | null {
    TOKEN.lastIndex = this.#at;
    const [token] = TOKEN.exec(this.#key) ?? [];
    if (token === undefined) {
      return null;
    }
    this.#at += token.length;
    const repeat = token.length > 1 && /[*+]$/.test(token) ? token.at(-1) : '';
    const taken = this.#add(acceptor(repeat === '' ? token : token.slice(0, -1)), from);
    const after = this.#add(null, taken);
    if (repeat !== '') this.states[after]!.next.push(taken);
    // Of none at all the way leads past it.
    if (repeat === '*') this.states[from]!.next.push(after);
    return after;
  }

  /** A state more, reached from another; gives its place. */
  #add(accepts: State['accepts'], from?: number, only?: State['only']): number {
    const place = this.states.push({ accepts, next: [], ...(only && { only }) }) - 1;
    if (from !== undefined) this.states[from]!.next.push(place);
    return place;
  }

  #eat(text: string): boolean {
    const found = this.#key.startsWith(text, this.#at);
    if (found) this.#at += text.length;
    return found;
  }
}

function acceptor(token: string): (character: string) => boolean {
  if (token === '.') return () => true;
  if (token === '\\.') return (character) => character === '.';
  if (token !== '\\d' && !token.startsWith('[')) return (character) => character === token;
  // One character alone can't be gone back over.
  const one = new RegExp(`^${token}$`, 'u');
  return (character) => one.test(character);
}

/**
 * Whether a name ends with a pattern, in whole parts of its path: the states that it can be in, character by character.
 * O(length of the name × of the key), whatever they are.
 */
export function matchesPattern(pattern: Pattern, name: string): boolean {
  const characters = [...name];
  const size = characters.length;
  let places = reached(pattern, [START], 0, size);
  for (const [at, character] of characters.entries()) {
    const next: number[] = [];
    for (const place of places) {
      const { accepts, next: followers } = pattern[place]!;
      if (accepts?.(character)) next.push(...followers);
    }
    // Before the pattern stand whole parts of the path, each with its dot.
    if (character === '.') next.push(START);
    places = reached(pattern, next, at + 1, size);
  }
  return places.has(END);
}

/** Some states, and all that they lead to without a character. */
function reached(pattern: Pattern, from: readonly number[], at: number, size: number): Set<number> {
  const found = new Set<number>(from);
  // A set hands out what is added while it is gone through.
  for (const place of found) {
    const { accepts, only, next } = pattern[place]!;
    const isOpen = only === undefined || at === (only === 'at the start' ? 0 : size);
    if (accepts === null && isOpen) {
      for (const follower of next) found.add(follower);
    }
  }
  return found;
}
