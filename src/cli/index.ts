#!/usr/bin/env node
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { VERSION } from '../guard/version.js';
import { MergeguardError } from '../tensors/errors.js';
import { lazy } from './command.js';
import { plain } from './text.js';

/** Exit codes: 0 done, 1 failed, 2 bad usage; a demo or fit stopped by a signal ends with 128 and the signal's number. */
const FAILED = 1;
const BAD_USAGE = 2;

/** yargs calls a positional too many an unknown command; its types do not know of plurals. */
const ONE_TOO_MANY = {
  'Unknown command: %s': {
    one: 'Unknown command, or one argument too many: %s',
    other: 'Unknown commands, or arguments too many: %s',
  },
};

const cli = yargs(hideBin(process.argv))
  .scriptName('mergeguard')
  .usage(
    '$0 <command>\n\nWatches a fine-tuning run and says, live, how well the model will merge with others.',
  )
  .command(
    lazy(
      'demo',
      'Fine-tune a small model under guard, then merge it for real and compare',
      async () => (await import('./demo.js')).demoCommand,
    ),
  )
  .command(
    lazy(
      'fit <table>',
      'Fit a fingerprint on a table of merges that were really made',
      async () => (await import('./fit.js')).fitCommand,
    ),
  )
  .command(
    lazy(
      'calibrate',
      'Merge and evaluate a pool of models for real, and fit a fingerprint of its own',
      async () => (await import('./calibrate.js')).calibrateCommand,
    ),
  )
  .command(
    lazy(
      'score [model]',
      'Score a finished model against references, by its weights',
      async () => (await import('./score.js')).scoreCommand,
    ),
  )
  .command(
    lazy(
      'matrix <models..>',
      'Compare every pair of some models: table, CSV, JSON, heat map',
      async () => (await import('./matrix.js')).matrixCommand,
    ),
  )
  .command(
    lazy(
      'merge <models..>',
      'Merge models into one checkpoint, by any of the merge methods',
      async () => (await import('./merge.js')).mergeCommand,
    ),
  )
  .command(
    lazy(
      'reference',
      'Make a reference file from a checkpoint, or show one',
      async () => (await import('./reference.js')).referenceCommand,
    ),
  )
  .command(
    lazy(
      'serve',
      'Guard training runs of other processes and show them live',
      async () => (await import('./serve.js')).serveCommand,
    ),
  )
  .command(
    lazy(
      'watch [url]',
      'Live view of a running guard in the terminal',
      async () => (await import('./watch.js')).watchCommand,
    ),
  )
  .command(
    lazy(
      'steer <run> [terms..]',
      'Steer a run that is under way: strengths of terms for some steps',
      async () => (await import('./steer.js')).steerCommand,
    ),
  )
  .command(
    lazy(
      'fingerprint',
      'Explain a fingerprint, or compare several',
      async () => (await import('./fingerprint.js')).fingerprintCommand,
    ),
  )
  .command(
    lazy(
      'backend',
      'Install or remove a backend that npm does not bring: tensorflow',
      async () => (await import('./backend.js')).backendCommand,
    ),
  )
  .command(
    lazy(
      'doctor',
      'Say which backends open here, why the others do not, and what to install',
      async () => (await import('./doctor.js')).doctorCommand,
    ),
  )
  .demandCommand(1, 'Name a command.')
  .recommendCommands()
  .strictCommands()
  .strict()
  // an option given twice is the last one, not a list
  .parserConfiguration({ 'duplicate-arguments-array': false })
  .version(VERSION)
  // Everything else that is said is English.
  .detectLocale(false)
  .help()
  .wrap(Math.min(100, process.stderr.columns ?? 100))
  .exitProcess(false)
  .fail((message, error: unknown) => {
    // What a command throws comes through here too; what yargs itself has to say is usage.
    throw error instanceof Error && error.name !== 'YError' ? error : new UsageError(withoutTwins(message));
  })
  .updateStrings(ONE_TOO_MANY as never);

class UsageError extends Error {}

/** yargs names an unknown option as it was given and in camel case too. */
function withoutTwins(message: string): string {
  const [, list] = /^Unknown arguments: (.*)$/.exec(message) ?? [];
  if (list === undefined) {
    return message;
  }
  const given = list.split(', ');
  const inCamelCase = (name: string) => name.replace(/-+(.)/g, (_, letter: string) => letter.toUpperCase());
  const twins = new Set(given.filter((name) => name.includes('-')).map(inCamelCase));
  const names = given.filter((name) => !twins.has(name));
  return `Unknown argument${names.length === 1 ? '' : 's'}: ${names.join(', ')}`;
}

/** What yargs finds before a command's own options are there does not come through `fail`. */
function isUsage(error: unknown): error is Error {
  return error instanceof UsageError || (error instanceof Error && error.name === 'YError');
}

try {
  await cli.parseAsync();
} catch (error) {
  if (isUsage(error)) {
    console.error(
      `mergeguard: ${error.message}\n\`mergeguard --help\` lists commands, \`mergeguard COMMAND --help\` options.`,
    );
    process.exitCode = BAD_USAGE;
  } else if (error instanceof MergeguardError) {
    // names out of files stand in it: every line without what could steer a terminal
    console.error(`mergeguard: ${error.message.split('\n').map(plain).join('\n')}`);
    process.exitCode = FAILED;
  } else {
    console.error(error);
    process.exitCode = FAILED;
  }
}
