import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MergeguardError, messageOf } from '../../tensors/errors.js';

/** What follows the target's name in those of the folders beside it: the process that made it, and whether it was the target before. */
const BESIDE = /^-(\d+)-\w+(-old)?$/;

/** A folder of its own beside the target, on its file system: it can take the target's place by its name alone. */
export async function newFolder(target: string): Promise<string> {
  try {
    await mkdir(dirname(target), { recursive: true });
    return await mkdtemp(`${target}-${process.pid}-`);
  } catch (error) {
    throw new MergeguardError(
      `${target} can not be made: ${messageOf(error)}; it lies where mergeguard is installed`,
    );
  }
}

export async function replaceFolder(target: string, by: string): Promise<void> {
  const old = existsSync(target) ? `${by}-old` : null;
  if (old !== null) {
    await rename(target, old);
  }
  try {
    await rename(by, target);
  } catch (error) {
    if (old !== null) {
      await rename(old, target);
    }
    throw error;
  }
  if (old !== null) {
    await rm(old, { recursive: true });
  }
}

/** A folder half removed is no backend: it loses its name first. */
export async function removeFolder(folder: string): Promise<void> {
  const doomed = `${folder}-${process.pid}-removed`;
  await rename(folder, doomed);
  await rm(doomed, { recursive: true });
}

/**
 * Does away with what processes that were killed have left beside the target. Where one had taken the target away and not yet put
 * another in its place, that one comes back first. What belongs to a process that still runs is left alone.
 */
export async function removeLeftovers(target: string): Promise<void> {
  const parent = dirname(target);
  for (const name of existsSync(parent) ? await readdir(parent) : []) {
    const beside = name.startsWith(basename(target))
      ? BESIDE.exec(name.slice(basename(target).length))
      : null;
    if (beside === null || isRunning(Number(beside[1]))) {
      continue;
    }
    const wasTarget = beside[2] !== undefined;
    if (wasTarget && !existsSync(target)) {
      await rename(join(parent, name), target);
    } else {
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // one of somebody else's may not be asked
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
