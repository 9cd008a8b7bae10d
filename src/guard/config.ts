import { readFileSync } from 'node:fs';
import { fileProblem, MergeguardError } from '../tensors/errors.js';
import { configJsonSchema, configSchema, type GuardConfig, type GuardConfigInput } from './config-schema.js';
import { checkOptions, parseYaml } from './yaml-options.js';

/**
 * The configuration with every default filled in.
 * @throws MergeguardError naming every unknown option (with the nearest known one) and every wrong value
 */
export function resolveConfig(options: GuardConfigInput = {}): GuardConfig {
  return checkOptions(options, 'configuration', configSchema, configJsonSchema);
}

/**
 * Reads the text of a guard.yaml; an empty text is the defaults.
 * @param fileName what error messages call it
 * @throws MergeguardError naming every problem at once, each with its line
 */
export function parseConfig(text: string, fileName: string): GuardConfig {
  return resolveConfig(parseOptions(text, fileName));
}

/** The same without the defaults: what the file itself says. */
function parseOptions(text: string, fileName: string): GuardConfigInput {
  const { value, lineOf } = parseYaml(text, fileName);
  const options = value ?? {};
  checkOptions(options, fileName, configSchema, configJsonSchema, lineOf);
  return options;
}

/**
 * Reads a guard.yaml; without a path, the defaults.
 * @throws MergeguardError when it can't be read or holds anything wrong
 */
export function loadConfig(path?: string): GuardConfig {
  return resolveConfig(path === undefined ? {} : readOptions(path));
}

/**
 * What a guard.yaml says, checked, without the defaults.
 * @throws MergeguardError when it can't be read or holds anything wrong
 */
export function readOptions(path: string): GuardConfigInput {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new MergeguardError(
      `can't read the configuration ${path}: ${fileProblem(error)}; give the path of a guard.yaml, or none for the defaults`,
    );
  }
  return parseOptions(text, path);
}
