import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import yargs from 'yargs';
import { demoCommand } from '../../src/cli/demo.js';
import { killAll, run } from './program.js';

afterAll(killAll);

const HINT = '`mergeguard --help` lists commands, `mergeguard COMMAND --help` options.';

// each is a process of its own that loads everything first
describe.concurrent('mergeguard', () => {
  it('lists its commands with --help', async ({ expect }) => {
    const { code, out, err } = await run('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of ['demo', 'fit <table>', 'serve', 'watch [url]', 'doctor']) {
      expect(out).toContain(`mergeguard ${command} `);
    }
  });

  it('says its version', async ({ expect }) => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await run('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it.each([
    [[], 'Name a command.'],
    [['demoo'], 'Did you mean demo?'],
    [['demo', '--steps', '0'], '--steps must be a whole number from 1'],
    [['demo', '--stepz', '3'], 'Unknown argument: stepz'],
    [['doctor', '--backend', 'wasm'], '--backend says what --gpu measures; give --gpu too'],
    [['doctor', '--made-up', '--not-there'], 'Unknown arguments: made-up, not-there'],
  ])('ends with 2 for %j', async (args, message) => {
    expect(await run(...args)).toEqual({ code: 2, out: '', err: `mergeguard: ${message}\n${HINT}\n` });
  });
});

describe('mergeguard demo', () => {
  const parser = () =>
    yargs()
      .scriptName('mergeguard')
      .command({ command: 'demo', describe: 'demo', ...demoCommand })
      .strict()
      .exitProcess(false);

  it('documents every option with its default', async () => {
    const help = await new Promise<string>((resolve) => {
      void parser().parse('demo --help', (_error: unknown, _args: unknown, output: string) =>
        resolve(output),
      );
    });
    const options = ['data', 'task', 'references', 'steps', 'pretrain-steps', 'reference-steps', 'seed'];
    for (const option of [...options, 'port', 'server', 'backend', 'config', 'cache', 'json']) {
      expect(help).toMatch(new RegExp(`--${option} +[A-Zt]`));
    }
    expect(help).toContain('[default: 300]');
    expect(help).toContain('--no-server');
  });

  it.each([
    ['--steps 2.5', '--steps must be a whole number from 1'],
    ['--pretrain-steps many', '--pretrain-steps must be a whole number from 1'],
    ['--reference-steps -1', '--reference-steps must be a whole number from 1'],
    ['--seed x', '--seed must be a whole number'],
    ['--port 70000', '--port must be a whole number from 0 to 65535'],
    ['--port page', '--port must be a whole number from 0 to 65535'],
    ['--backend abacus', '"abacus", Choices: "auto", "tensorflow", "webgpu", "wasm", "cpu"'],
    ['--task', 'Not enough arguments following: task'],
    ['extra', 'Unknown argument: extra'],
  ])('refuses "%s"', async (args, message) => {
    const said = await new Promise((resolve) => {
      const failing = parser().fail((text) => {
        resolve(text);
        throw new Error(text);
      });
      Promise.resolve()
        .then(() => failing.parseAsync(`demo ${args}`))
        .catch(() => undefined);
    });
    expect(said).toContain(message);
  });

  it('refuses a wrong configuration before anything else', async () => {
    const args = { _: [], $0: '', config: 'absent.yaml' } as unknown as Parameters<
      typeof demoCommand.handler
    >[0];
    await expect(demoCommand.handler(args)).rejects.toThrow("can't read the configuration absent.yaml");
  });
});
