import { once } from 'node:events';
import { loadFingerprint, shippedFingerprints } from '../fingerprint/index.js';
import { createGuard, type GuardConfigInput, loadConfig, resolveConfig } from '../guard/index.js';
import { type OpenRun, startServer } from '../server/index.js';
import { MergeguardError, messageOf } from '../tensors/errors.js';
import type { Command } from './command.js';
import { plain } from './text.js';
import { logLine } from './watch-lines.js';

interface ServeArguments {
  host?: string;
  port?: number;
  config?: string;
}

/**
 * `mergeguard serve`: a server for training runs in other processes, until it is interrupted. Says on standard error which runs come,
 * are steered, raise alerts and end.
 */
export const serveCommand: Command<ServeArguments> = {
  builder: (yargs) =>
    yargs.options({
      host: { type: 'string', requiresArg: true, describe: 'Address to listen on [default: 127.0.0.1]' },
      port: { type: 'number', requiresArg: true, describe: 'Port, 0 for any free one [default: 7337]' },
      config: {
        type: 'string',
        requiresArg: true,
        describe: 'A guard.yaml: what runs do not set themselves',
      },
    }),
  handler: (args) => serve(args),
};

async function serve(args: ServeArguments): Promise<void> {
  const defaults = loadConfig(args.config);
  const open: OpenRun = async (setup, given) => {
    const config = resolveConfig(merged(defaults, given) as GuardConfigInput);
    // A path means a file of the machine it is written on, and a stranger is not to name files of this one.
    const shipped = await shippedFingerprints();
    if (config.fingerprint !== null && ![...shipped, defaults.fingerprint].includes(config.fingerprint)) {
      throw new MergeguardError(
        `the run asks for the fingerprint ${config.fingerprint}; a served guard has ${shipped.join(', ')} and what its own configuration names`,
      );
    }
    const fingerprint = config.fingerprint === null ? null : await loadFingerprint(config.fingerprint);
    return createGuard(setup, config, fingerprint);
  };
  const openRun: OpenRun = async (setup, given) => {
    try {
      const guard = await open(setup, given);
      guard.events.subscribe((event) => {
        const line = logLine(event);
        if (line !== null) {
          console.error(line);
        }
      });
      return guard;
    } catch (error) {
      console.error(`${plain(setup.run)}: refused: ${plain(messageOf(error).replaceAll('\n', ' '))}`);
      throw error;
    }
  };
  const host = args.host ?? defaults.server.host;
  const server = await startServer({ host, port: args.port ?? defaults.server.port, openRun });
  console.error(`mergeguard serves ${server.url}/ (stop it with Ctrl-C)`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await server.close();
}

/** `over` on top of `under`, section by section; lists and values are replaced as a whole. */
function merged(under: object, over: object): object {
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isSection(below) && isSection(value) ? merged(below, value) : value;
  }
  return result;
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
