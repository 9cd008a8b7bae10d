import { execFile } from 'node:child_process';

/** Starting a driver takes up to a second or two. */
const LONGEST_MS = 20_000;

/** Says "found" or "none" as soon as it is known: what taking a driver down does after that is no matter. */
const LOOK = `
const { create } = await import(process.argv[1]);
const gpu = create([]);
let found = false;
for (const powerPreference of ['high-performance', 'low-power', undefined]) {
  found ||= (await gpu.requestAdapter({ powerPreference })) !== null;
}
process.stdout.write(found ? 'found' : 'none', () => process.exit());
`;

/**
 * Looks for an adapter in a process of its own: where there is no driver Dawn writes to standard error, and a broken driver ends
 * the process that starts it, which would be the training. Takes about a third of a second. What fails otherwise (a package that can't
 * be loaded) is left to the caller to meet.
 * @param moduleUrl of the npm package webgpu
 * @throws Error where there is no adapter, or looking for one ended that process
 */
export async function lookApart(moduleUrl: string, look = LOOK): Promise<void> {
  const { said, signal, isLate } = await run(['--input-type=module', '-e', look, moduleUrl]);
  if (said === 'found') {
    return;
  }
  if (said === 'none') {
    throw new Error('no Vulkan, Metal or D3D12 adapter found');
  }
  if (isLate) {
    throw new Error(`the graphics driver did not answer within ${LONGEST_MS / 1000} s`);
  }
  if (signal !== null) {
    throw new Error(`the graphics driver ends the process that starts it (${signal})`);
  }
}

interface Ended {
  readonly said: string;
  readonly signal: string | null;
  readonly isLate: boolean;
}

function run(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: LONGEST_MS, killSignal: 'SIGKILL' }, (error, said) => {
      resolve({ said, signal: error?.signal ?? null, isLate: error?.killed === true });
    });
  });
}
