import type { Argv, CommandModule } from 'yargs';

/** What the module of a command exports; its name and description stand in the command line's list. */
export interface Command<Arguments> {
  builder(yargs: Argv): Argv<Arguments>;
  handler(args: Arguments): Promise<void>;
}

/** A command whose module, and with it tfjs, is loaded only when it is asked for. */
export function lazy<Arguments>(
  command: string,
  describe: string,
  load: () => Promise<Command<Arguments>>,
): CommandModule<object, Arguments> {
  return {
    command,
    describe,
    builder: async (yargs: Argv) => (await load()).builder(yargs),
    handler: async (args) => (await load()).handler(args as Arguments),
  };
}
