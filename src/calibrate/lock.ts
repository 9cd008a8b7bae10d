import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MergeguardError, messageOf } from '../tensors/index.js';

/** Who works in a folder. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** when the process began, as its system counts; null where that is not known. Ids are used again. */
  readonly began: string | null;
}

const NAME = 'lock';

/**
 * Takes a work folder for this process. What a dead process of this machine holds is taken from it.
 * @returns gives it back
 * @throws MergeguardError where another process works in it, or the folder can't be written to
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const lock = join(folder, NAME);
  const own = `${lock}.${process.pid}`;
  const me: Holder = { pid: process.pid, host: hostname(), began: await beginningOf(process.pid) };
  try {
    await writeFile(own, JSON.stringify(me));
    // A link is made whole or not at all: the lock is never there without its holder's name.
    while (!(await linked(own, lock))) {
      await takeFromTheDead(lock, `${own}.stale`, folder);
    }
  } catch (error) {
    throw error instanceof MergeguardError
      ? error
      : new MergeguardError(`the work folder ${folder} can not be used: ${messageOf(error)}`);
  } finally {
    await rm(own, { force: true });
  }
  return () => rm(lock, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

/** Moves a dead process' lock away. */
async function takeFromTheDead(lock: string, aside: string, folder: string): Promise<void> {
  const text = await readFile(lock, 'utf8').catch(() => null);
  if (text === null) {
    return;
  }
  const holder = holderIn(text);
  if (holder === null || (await isAlive(holder))) {
    const who =
      holder === null
        ? `the lock ${lock} can not be read`
        : `process ${holder.pid}${holder.host === hostname() ? '' : ` on ${holder.host}`} works there`;
    throw new MergeguardError(
      `the work folder ${folder} is in use: ${who}; wait for its end, or give another folder with --work ` +
        `(if nothing works there any more, delete ${lock})`,
    );
  }
  try {
    await rename(lock, aside);
  } catch {
    // somebody else moved it meanwhile
    return;
  }
  if ((await readFile(aside, 'utf8')) !== text) {
    // What was moved is the lock of one who took it from the dead just now: it goes back.
    await linked(aside, lock);
  }
  await rm(aside, { force: true });
}

function holderIn(text: string): Holder | null {
  try {
    const { pid, host, began } = JSON.parse(text) as Holder;
    return Number.isInteger(pid) && typeof host === 'string' ? { pid, host, began } : null;
  } catch {
    return null;
  }
}

async function isAlive({ pid, host, began }: Holder): Promise<boolean> {
  if (host !== hostname()) {
    // of another machine nothing is known
    return true;
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = await beginningOf(pid);
  return began === null || now === null || began === now;
}

/** Ticks from the start of the system to that of the process, where the system says so (Linux). */
async function beginningOf(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // the name in brackets may hold anything
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
