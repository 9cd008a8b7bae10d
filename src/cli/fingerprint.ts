import type { Argv } from 'yargs';
import { describeFingerprint, type Fingerprint, loadFingerprint } from '../fingerprint/index.js';
import type { Command } from './command.js';
import { compareAll, type LabelledFingerprint, renderComparison } from './fingerprint-comparison.js';
import { plain } from './text.js';
import { jsonLine } from './watch-lines.js';

interface ShowArguments {
  fingerprint: string;
  json: boolean;
}

interface CompareArguments {
  fingerprints: string[];
  json: boolean;
}

const json = { type: 'boolean', default: false, describe: 'Print one JSON object' } as const;

/** `mergeguard fingerprint`: explains and compares what guards predict with. */
export const fingerprintCommand: Command<unknown> = {
  builder: (yargs: Argv): Argv<unknown> =>
    yargs
      .command<ShowArguments>({
        command: 'show <fingerprint>',
        describe: 'Explain one: what moves its predictions, and how far to trust them',
        builder: (each: Argv) =>
          each
            .positional('fingerprint', {
              type: 'string',
              demandOption: true,
              describe: 'Name of a shipped one, or path of a file',
            })
            .options({ json }),
        handler: show,
      })
      .command<CompareArguments>({
        command: 'compare <fingerprints..>',
        describe: 'Say how alike the weights of merge methods are, within each and between them',
        builder: (each: Argv) =>
          each
            .positional('fingerprints', {
              type: 'string',
              array: true,
              demandOption: true,
              describe: 'Names of shipped ones, or paths of files',
            })
            .options({ json })
            // Without this, several values of the positional would be taken for one given again.
            .parserConfiguration({ 'duplicate-arguments-array': true }),
        handler: compare,
      })
      .demandCommand(1, 'Say what to do with a fingerprint: show or compare.'),
  handler: async () => {
    throw new Error('one of the commands inside it is demanded');
  },
};

async function show({ fingerprint, json: asJson }: ShowArguments): Promise<void> {
  const loaded = await loadFingerprint(fingerprint);
  print(asJson ? jsonLine(loaded) : textOf(describeFingerprint(loaded)));
}

async function compare({ fingerprints, json: asJson }: CompareArguments): Promise<void> {
  const loaded = await Promise.all(fingerprints.map(loadFingerprint));
  const comparison = compareAll(labelled(fingerprints, loaded));
  print(asJson ? jsonLine(comparison) : textOf(renderComparison(comparison)));
}

/** By their own names, or as the user wrote them where names are alike. */
function labelled(written: readonly string[], loaded: readonly Fingerprint[]): LabelledFingerprint[] {
  const isClear = new Set(loaded.map(({ name }) => name)).size === loaded.length;
  return loaded.map((fingerprint, i) => ({ label: isClear ? fingerprint.name : written[i], fingerprint }));
}

/** The file of somebody else may steer no terminal. */
function textOf(lines: readonly string[]): string {
  return lines.map(plain).join('\n');
}

/** A reader that has seen enough, such as `head`, is no failure. */
function print(text: string): void {
  process.stdout.on('error', () => undefined);
  process.stdout.write(`${text}\n`);
}
