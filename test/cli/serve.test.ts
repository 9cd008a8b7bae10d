import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serveCommand } from '../../src/cli/serve.js';
import { connectGuard } from '../../src/guard/remote.js';
import { observation, setupOf } from '../server/support.js';
import { collectLines } from './program.js';

let folder: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-serve-'));
});
afterEach(() => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
  }
});
afterAll(() => rm(folder, { recursive: true }));

const program = `
  import yargs from 'yargs';
  import { serveCommand } from './src/cli/serve.ts';
  await yargs(process.argv.slice(1)).command({ command: 'serve', ...serveCommand }).strict().fail(false).parse().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
`;

/** `mergeguard serve` with these arguments, and what it says first on standard error. */
async function serve(...args: string[]) {
  const node = ['--import', 'tsx', '--input-type=module', '-e', program, '--', 'serve', '--port', '0'];
  const child = spawn(process.execPath, [...node, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const exited = once(child, 'close');
  const { lines: log, until } = collectLines(child.stderr);
  const said = (await until(() => true)) ?? '';
  return { child, said, log, exited };
}

describe('mergeguard serve', () => {
  it('guards a run of another process, merges its options over the file, and stops on a signal', async () => {
    const config = join(folder, 'guard.yaml');
    await writeFile(
      config,
      'fingerprint: null\noverhead: 0.01\nsteering:\n  scale_jitter: { strength: 1 }\n',
    );
    const { child, said, log, exited } = await serve('--config', config);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
    const guard = await connectGuard(url!, setupOf('r'), { steering: { scale_jitter: { low: 0.3 } } });
    const events = lastValueFrom(guard.events.pipe(toArray()));
    guard.observe(observation('r', 10));
    await guard.close('done');

    const [hello, steer, ...rest] = await events;
    expect(hello).toMatchObject({ event: 'hello', config: { overhead: 0.01, fingerprint: null } });
    expect(steer).toMatchObject({ terms: [{ term: 'scale_jitter', strength: 1, parameters: { low: 0.3 } }] });
    expect(rest.map(({ event }) => event)).toEqual(expect.arrayContaining(['tick', 'end']));

    await expect(connectGuard(url!, setupOf('q'), { overhed: 1 })).rejects.toThrow('did you mean overhead?');
    // a path would be one of this machine's files
    const stranger = connectGuard(url!, setupOf('q'), { fingerprint: '/etc/hostname' });
    await expect(stranger).rejects.toThrow(
      /the run asks for the fingerprint \/etc\/hostname; a served guard has .*demo/,
    );
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(log.slice(1).map((line) => line.replace(/ on .*/, ''))).toEqual([
      'r: run      r',
      'r: steer    step 0  scale_jitter x 1 (config): fixed strengths from the configuration',
      'r: end      step 10  done',
      expect.stringMatching(/^q: refused: .*did you mean overhead\?/),
      expect.stringMatching(/^q: refused: the run asks for the fingerprint/),
    ]);
    expect(await child.stdout.toArray()).toEqual([]);
    // a process that compiles the sources first
  }, 60_000);

  it('says what is wrong with its own configuration', async () => {
    const args = { _: [], $0: 'mergeguard', config: join(folder, 'absent.yaml') };
    await expect(serveCommand.handler(args)).rejects.toThrow("can't read the configuration");
  });
});
