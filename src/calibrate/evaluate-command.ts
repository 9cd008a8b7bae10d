import { readAccuracy } from './accuracy.js';
import { type CommandTemplate, type CommandValues, fillTemplate } from './command-template.js';
import type { Outcome } from './evaluator.js';
import { type RunOptions, runCommand } from './run-command.js';

/** Lines of standard error that are kept of an evaluation that failed. */
const KEPT_LINES = 8;

/**
 * Runs an evaluation command to its end and reads the accuracy that it prints. What goes wrong in it is an outcome.
 * @throws the signal's reason
 */
export async function evaluateCommand(
  command: CommandTemplate,
  values: CommandValues,
  options: RunOptions,
): Promise<Outcome> {
  const { failure, output, errors } = await runCommand(fillTemplate(command, values), options);
  const read = failure ?? readAccuracy(output);
  return typeof read === 'number' ? { accuracy: read } : { failure: read, errors: lastLines(errors) };
}

function lastLines(text: string): string[] {
  return text
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
    .slice(-KEPT_LINES);
}
