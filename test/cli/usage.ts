import yargs from 'yargs';
import { type Command, lazy } from '../../src/cli/command.js';

/** The command line of one command, in this process. */
function parser<Arguments>(name: string, command: Command<Arguments>) {
  return yargs()
    .scriptName('mergeguard')
    .command(lazy(name, name, async () => command))
    .strict()
    .exitProcess(false);
}

/** What a command prints with --help. */
export function helpOf<Arguments>(name: string, command: Command<Arguments>): Promise<string> {
  return new Promise((resolve) => {
    void parser(name, command).parse(
      `${name.split(' ')[0]} --help`,
      (_error: unknown, _args: unknown, output: string) => resolve(output),
    );
  });
}

/** What a command says against its arguments, words between spaces; `""` is an empty one. */
export function refusal<Arguments>(name: string, command: Command<Arguments>, line: string): Promise<string> {
  const words = line.split(' ').filter((word) => word !== '');
  const args = words.map((word) => (word === '""' ? '' : word));
  return new Promise((resolve) => {
    const failing = parser(name, command).fail((text) => {
      throw new Error(text);
    });
    Promise.resolve()
      .then(() => failing.parseAsync([name.split(' ')[0]!, ...args]))
      .catch((error: Error) => resolve(error.message));
  });
}

/** What was said on standard error but for the lines of progress that a slow machine has. */
export function withoutProgress(err: string): string {
  return err.replace(/^ {2}\d+ %: .*\n/gm, '');
}
