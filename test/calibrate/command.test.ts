import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { fillTemplate, templateProblems } from '../../src/calibrate/command-template.js';
import { runCommand } from '../../src/calibrate/run-command.js';
import { disk } from '../at-rest/models-on-disk.js';
import { isAlive } from './pool-on-disk.js';

const { at, write } = disk();
const NODE = process.execPath;

/** Runs a command in the tests' folder. */
async function ran(template: string | string[], values = {}, timeLimitSeconds = 30, signal?: AbortSignal) {
  await write('unused', new Map());
  const filled = fillTemplate(template, { checkpoint: 'c', task: 't', ...values });
  return runCommand(filled, { folder: at('.'), timeLimitSeconds, signal });
}

/** Of the process whose id a command wrote into the file `pid`. */
const isRunning = () => isAlive(Number(readFileSync(at('pid'), 'utf8')));

describe('templates of commands', () => {
  const nasty = [
    'plain',
    'with blanks  and\ttabs',
    `it's "quoted"`,
    `$(touch owned) \`touch owned\` $HOME $\{HOME}`,
    '; touch owned #',
    '\\ back\\slash \\"',
    '*?[a-z]~',
    'line\nline',
    'größe-Ünï',
    '-n',
  ];

  it.each(nasty)('give the shell %j as it is, between quotes or not', async (value) => {
    const script = `printf '%s|' {task} "{task}" '{task}' "a'{task}'b" 'a"{task}"b' \\"{task} pre{task}post`;
    const { failure, output } = await ran(script, { task: value });
    expect(failure).toBe(null);
    const expected = [value, value, value, `a'${value}'b`, `a"${value}"b`, `"${value}`, `pre${value}post`];
    expect(output).toBe(`${expected.join('|')}|`);
  });

  it.each(nasty)('give a program without a shell %j as it is', async (value) => {
    const { output } = await ran([NODE, '-p', 'process.argv[1]', '--', '--task={task}'], { task: value });
    expect(output).toBe(`--task=${value}\n`);
  });

  it('leaves the shell its own braces', async () => {
    const script = `X=9; echo "\${X} {checkpoint}" | awk '{print $1}'; : {task}`;
    expect(templateProblems(script)).toEqual([]);
    expect((await ran(script)).output).toBe('9\n');
  });

  it('says what is missing and what was meant', () => {
    expect(templateProblems('python eval.py {chekpoint} {task}')).toEqual([
      '{chekpoint} is not known in the evaluation command; did you mean {checkpoint}?',
    ]);
    expect(templateProblems(['python', 'eval.py'])).toEqual([
      'the evaluation command has no {checkpoint}, so that it is the same for every checkpoint',
      'the evaluation command has no {task}, so that it is the same for every task',
    ]);
  });
});

describe('runCommand', () => {
  it('says how a process failed and keeps the end of what it wrote', async () => {
    const crash = await ran('echo out {task}; echo bad {checkpoint} >&2; exit 3');
    expect(crash).toEqual({ failure: 'it ended with exit code 3', output: 'out t\n', errors: 'bad c\n' });
    expect((await ran('kill -9 $$')).failure).toBe('it was ended by SIGKILL');
    expect((await ran(['no-such-program-here'])).failure).toMatch(/^it can not be started: .*ENOENT/);
    expect((await ran('no-such-program-here')).failure).toBe('it ended with exit code 127');
    const long = await ran([NODE, '-e', `process.stdout.write('x'.repeat(300000) + ' 0.5')`]);
    expect(long.output.length).toBeLessThan(100_000);
    expect(long.output.endsWith('x 0.5')).toBe(true);
  });

  it('runs in the folder that it is told', async () => {
    writeFileSync(at('here'), 'yes');
    expect((await ran('cat here')).output).toBe('yes');
  });

  it('kills the whole group after the time limit', async () => {
    const { failure, output, errors } = await ran(
      'echo 0.5; echo slow >&2; sleep 600 & echo $! > pid; wait',
      {},
      1,
    );
    expect(failure).toBe('it was not done within 1 s (timeLimitSeconds) and was stopped');
    expect({ output, errors }).toEqual({ output: '0.5\n', errors: 'slow\n' });
    await vi.waitFor(() => expect(isRunning()).toBe(false));
  });

  it('leaves nothing running when the command itself has ended', async () => {
    const { failure, output } = await ran('sleep 600 & echo $! > pid; echo 0.25');
    expect({ failure, output }).toEqual({ failure: null, output: '0.25\n' });
    await vi.waitFor(() => expect(isRunning()).toBe(false));
  });

  it('does not wait longer than the limit for a process that left the group', async () => {
    const leaving = `setsid sh -c 'touch left; exec sleep 20' & echo $! > pid; while [ ! -e left ]; do :; done`;
    const { failure, output } = await ran(`${leaving}; echo 0.25`, {}, 1);
    expect({ failure, output }).toEqual({ failure: null, output: '0.25\n' });
    expect(isRunning()).toBe(true);
    process.kill(Number(readFileSync(at('pid'), 'utf8')));
  });

  it('is stopped by a signal, before it began or while it runs', async () => {
    await expect(ran('sleep 600', {}, 30, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    const controller = new AbortController();
    const running = ran('sleep 600', {}, 30, controller.signal);
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(running).rejects.toThrow('enough');
  });
});
