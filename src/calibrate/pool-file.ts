import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { z } from 'zod';
import { checkOptions, parseYaml } from '../guard/yaml-options.js';
import { fileProblem, MergeguardError } from '../tensors/index.js';
import { folderSchema, listSchema, type PoolSettings } from './pool-schema.js';

/** A pool file, its paths made absolute: they are relative to the file. */
export interface PoolFile {
  readonly path: string;
  /** where commands run */
  readonly folder: string;
  /** of the fingerprint */
  readonly name: string;
  readonly settings: PoolSettings;
}

/** @throws MergeguardError when it can't be read, or with everything that is wrong in it, each with its line */
export async function readPoolFile(path: string): Promise<PoolFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new MergeguardError(`the pool file ${path} can not be read: ${fileProblem(error)}`);
  }
  const { value, lineOf } = parseYaml(text, path);
  const isFolder = typeof (value as { models?: unknown } | null)?.models === 'string';
  const schema = isFolder ? folderSchema : listSchema;
  const jsonSchema = () => z.toJSONSchema(schema, { io: 'input' });
  const settings = checkOptions(value ?? {}, path, schema, jsonSchema, lineOf);
  const folder = dirname(resolve(path));
  const file = basename(path);
  return {
    path,
    folder,
    name: settings.name ?? (basename(file, extname(file)) || file),
    settings: absolute(settings, folder),
  };
}

function absolute(settings: PoolSettings, folder: string): PoolSettings {
  const at = (path: string) => resolve(folder, path);
  const { base, models, evaluate } = settings;
  const common = {
    ...settings,
    base: at(base),
    evaluate:
      evaluate.zoo === undefined || evaluate.zoo.data === null
        ? evaluate
        : { ...evaluate, zoo: { ...evaluate.zoo, data: at(evaluate.zoo.data) } },
  };
  return typeof models === 'string'
    ? { ...common, models: at(models) }
    : { ...common, models: models.map((model) => ({ ...model, path: at(model.path) })) };
}
