import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { MergeguardError, messageOf } from '../tensors/index.js';
import { entryIn, type JournalEntry, type MetricsEntry } from './journal-entry.js';

/** Messages of a system that has no room left for a file. */
const NO_ROOM = /\b(ENOSPC|EDQUOT|EFBIG)\b/;

/** The error of what can't be written, with the way out where there is no room. */
export function writeError(what: string, error: unknown): MergeguardError {
  const text = messageOf(error);
  const advice = isNoRoom(error)
    ? '; there is no room left: make some, or give another folder with --work, and run it again: everything finished so far is kept'
    : '; run it again when it can be: everything finished so far is kept';
  return new MergeguardError(
    `${text.startsWith(what) ? '' : `${what} can not be written: `}${text}${advice}`,
  );
}

export function isNoRoom(error: unknown): boolean {
  return NO_ROOM.test(messageOf(error));
}

/**
 * Results that are kept, one JSON object a line, in a file that only grows. A line is written at once and is on the disk before
 * `add` is done; what a kill left of a last line is cut off when the journal is opened again.
 */
export class Journal {
  readonly path: string;
  /** lines that say nothing, from 1; they were changed by somebody else */
  readonly unreadable: readonly number[];
  readonly #file: FileHandle;
  readonly #entries: Map<string, JournalEntry>;
  /** the line that is being written; once one could not be, none is: it would stand behind half a line */
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    path: string,
    file: FileHandle,
    entries: Map<string, JournalEntry>,
    unreadable: readonly number[],
  ) {
    this.path = path;
    this.#file = file;
    this.#entries = entries;
    this.unreadable = unreadable;
  }

  /** @throws MergeguardError where it can't be read or written */
  static async open(path: string): Promise<Journal> {
    try {
      const bytes = await readFile(path).catch((error) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
          return Buffer.alloc(0);
        }
        throw error;
      });
      const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
      if (whole.length < bytes.length) {
        await truncate(path, whole.length);
      }
      const entries = new Map<string, JournalEntry>();
      const unreadable: number[] = [];
      const lines = whole.toString('utf8').split('\n').slice(0, -1);
      lines.forEach((line, at) => {
        const entry = entryIn(line);
        if (entry === null) {
          unreadable.push(at + 1);
        } else {
          entries.set(entry.key, entry);
        }
      });
      return new Journal(path, await open(path, 'a'), entries, unreadable);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** The last entry of that key, or undefined. */
  get(key: string): JournalEntry | undefined {
    return this.#entries.get(key);
  }

  /** The last entry of that key where it is one of metrics, or undefined. */
  metrics(key: string): MetricsEntry | undefined {
    const entry = this.get(key);
    return entry?.kind === 'metrics' ? entry : undefined;
  }

  /** @throws MergeguardError where it can't be written */
  add(entry: JournalEntry): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write(entry));
    // whoever adds is told
    this.#writing.catch(() => undefined);
    return this.#writing;
  }

  async #write(entry: JournalEntry): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      let at = 0;
      while (at < line.length) {
        at += (await this.#file.write(line, at)).bytesWritten;
      }
      await this.#file.datasync();
    } catch (error) {
      throw writeError(this.path, error);
    }
    this.#entries.set(entry.key, entry);
  }

  /** Once what is being written is. */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#file.close();
  }
}
