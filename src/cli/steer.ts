import { produceUrl } from '../guard/remote-link.js';
import { MANUAL_LIFETIME } from '../guard/types.js';
import { MergeguardError } from '../tensors/errors.js';
import { lastOfEach } from './at-rest-options.js';
import type { Command } from './command.js';
import { print } from './print.js';
import { sendOrder } from './steer-client.js';
import { type OrderedTerm, parseTerm } from './steer-order.js';
import { plain } from './text.js';

const DEFAULT_SERVER = 'http://127.0.0.1:7337';

interface SteerArguments {
  run: string;
  terms: string[] | undefined;
  server: string;
  lifetime: number;
  off: boolean;
  reason: string | undefined;
}

/** `mergeguard steer`: an order by hand for a run that is under way. */
export const steerCommand: Command<SteerArguments> = {
  builder: (yargs) =>
    yargs
      // several terms are a list
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .middleware(lastOfEach(['terms']), true)
      .positional('run', { type: 'string', demandOption: true, describe: 'Name of the run' })
      .positional('terms', {
        type: 'string',
        array: true,
        describe: 'All terms that are to be in force: TERM=STRENGTH[,PARAMETER=VALUE...]',
      })
      .options({
        server: {
          type: 'string',
          requiresArg: true,
          default: DEFAULT_SERVER,
          describe: 'Address of the guard server',
        },
        lifetime: {
          type: 'number',
          requiresArg: true,
          default: MANUAL_LIFETIME,
          describe:
            'Steps that it lives, fading over the last third; a tick or two later the controller, or the configured strengths, are back',
        },
        off: { type: 'boolean', default: false, describe: 'No terms at all' },
        reason: {
          type: 'string',
          requiresArg: true,
          describe: 'What the steer event says [default: by hand]',
        },
      })
      .example('$0 steer my-run merge_simulation=0.5', 'half strength for 500 steps')
      .example('$0 steer my-run sharpness=1,every=3 --lifetime 2000', 'on every third step')
      .check(usageProblem),
  handler: steer,
};

/** What is wrong with the arguments, or true. */
function usageProblem({ terms = [], server, lifetime, off, reason }: SteerArguments): string | true {
  if (off === terms.length > 0) {
    return off ? '--off and terms exclude each other' : 'Name terms with their strengths, or --off';
  }
  if (!Number.isInteger(lifetime) || lifetime < 1) {
    return '--lifetime must be a whole number from 1';
  }
  if (reason === '') {
    return '--reason must not be empty';
  }
  try {
    terms.map(parseTerm);
    produceUrl(server);
  } catch (error) {
    if (error instanceof MergeguardError) {
      return error.message;
    }
    throw error;
  }
  return true;
}

async function steer({ run, terms: given = [], server, lifetime, reason }: SteerArguments): Promise<void> {
  const terms = given.map(parseTerm);
  const step = await sendOrder(produceUrl(server), { run, terms, lifetimeSteps: lifetime, reason });
  const what = terms.length === 0 ? 'no terms' : terms.map(described).join(', ');
  print([plain(`${run} is steered from now on, for ${lifetime} steps (step ${step} or later): ${what}`)]);
}

function described({ term, strength, parameters = {} }: OrderedTerm): string {
  const given = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  return `${term} x ${strength}${given.length > 0 ? ` (${given.join(', ')})` : ''}`;
}
