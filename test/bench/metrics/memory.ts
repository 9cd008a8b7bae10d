import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a command took: seconds, and its largest resident memory in MB (null where /proc does not tell). */
export interface Cost {
  readonly seconds: number;
  readonly megabytes: number | null;
}

/** Runs the command line of this project, from source, to its end. @throws where it fails, with what it said */
export async function costOf(...args: string[]): Promise<Cost> {
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/index.ts', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  let megabytes: number | null = null;
  const watch = setInterval(() => {
    megabytes = peakOf(child.pid as number) ?? megabytes;
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(watch);
  if (code !== 0) {
    throw new Error(`mergeguard ${args.join(' ')} ended with ${code}: ${said}`);
  }
  return { seconds: (performance.now() - start) / 1000, megabytes };
}

/** The kernel's own high-water mark of a process. */
export function peakOf(pid: number): number | null {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? null : Math.round(Number(found[1]) / 1024);
  } catch {
    return null;
  }
}
