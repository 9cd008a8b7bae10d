import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readChatTemplates } from './chat-templates.js';
import { isObject, type JsonObject } from './config.js';
import { readJson } from './read-file.js';
import { readVocabulary, type Vocabulary } from './vocabulary.js';

/** What the Hugging Face files in one folder say. Null: the file is not there, or can't be read. */
export interface ModelFolder {
  /** without links, so that two ways to one folder are seen to be one */
  readonly path: string;
  /** config.json */
  readonly config: JsonObject | null;
  /** tokenizer_config.json */
  readonly tokenizerConfig: JsonObject | null;
  /** special_tokens_map.json */
  readonly specialTokensMap: JsonObject | null;
  readonly vocabulary: Vocabulary | null;
  readonly chatTemplates: ReadonlyMap<string, string> | null;
  /** about files that are there and can't be read */
  readonly problems: readonly string[];
}

/** The folder whose files belong to a checkpoint file, an index file or a folder; null if there is no such path. */
export async function folderOf(path: string): Promise<string | null> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    // The file may be a link into a cache of blobs; the configuration lies beside the link.
    return await realpath(isFolder ? path : dirname(path));
  } catch {
    // Whoever opens the checkpoint says it better.
    return null;
  }
}

/** Reads what lies in a folder; what is broken becomes a problem, not an exception. */
export async function readModelFolder(path: string): Promise<ModelFolder> {
  const problems: string[] = [];
  const tokenizerConfig = await readObject(path, 'tokenizer_config.json', problems);
  return {
    path,
    config: await readObject(path, 'config.json', problems),
    tokenizerConfig,
    specialTokensMap: await readObject(path, 'special_tokens_map.json', problems),
    vocabulary: await readVocabulary(path, tokenizerConfig, problems),
    chatTemplates: await readChatTemplates(path, tokenizerConfig, problems),
    problems,
  };
}

async function readObject(folder: string, file: string, problems: string[]): Promise<JsonObject | null> {
  const value = await readJson(folder, file, problems);
  if (value === undefined) {
    return null;
  }
  if (!isObject(value)) {
    problems.push(`"${join(folder, file)}" is not compared: it holds no JSON object; mend it or delete it`);
    return null;
  }
  return value;
}
