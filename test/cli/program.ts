import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const children: ChildProcess[] = [];

/** The real program, run from source. Call `killAll` after each test. */
export function start(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/index.ts', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, closed };
}

/** Runs the program to its end. */
export async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { child, closed } = start(...args);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const [code] = await closed;
  return { code, out, err };
}

/** Collects a stream's lines; `until` resolves with the first line, past or to come, for which it is true. */
export function collectLines(stream: NodeJS.ReadableStream) {
  const lines: string[] = [];
  const waiting: { wanted: (line: string) => boolean; resolve: (line: string | null) => void }[] = [];
  createInterface({ input: stream })
    .on('line', (line) => {
      lines.push(line);
      for (const each of waiting.filter(({ wanted }) => wanted(line))) {
        each.resolve(line);
      }
    })
    .on('close', () => {
      for (const each of waiting) {
        each.resolve(null);
      }
    });
  const until = (wanted: (line: string) => boolean): Promise<string | null> => {
    const past = lines.find(wanted);
    return past === undefined
      ? new Promise((resolve) => waiting.push({ wanted, resolve }))
      : Promise.resolve(past);
  };
  return { lines, until };
}

export function killAll(): void {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
  }
}
