import { isObject, type JsonObject } from './config.js';
import { readJson, readText } from './read-file.js';

/** Which token has which id, as far as the files of a tokenizer say. */
export interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  /** false: only the added tokens are known; the rest is in a file that is not read (`tokenizer.model`) */
  readonly isComplete: boolean;
}

/** The vocabulary of the tokenizer in a folder; null where no file tells of one. */
export async function readVocabulary(
  folder: string,
  tokenizerConfig: JsonObject | null,
  problems: string[],
): Promise<Vocabulary | null> {
  const ids = new Map<string, number>();
  const tokenizer = await readJson(folder, 'tokenizer.json', problems);
  let isComplete = isObject(tokenizer) && addFastTokenizer(ids, tokenizer);
  if (!isComplete) {
    isComplete = await addVocabularyFile(ids, folder, problems);
    addIds(ids, await readJson(folder, 'added_tokens.json', problems));
    addDecoder(ids, tokenizerConfig);
  }
  return ids.size === 0 ? null : { ids, isComplete };
}

/** What a tokenizer.json lists; false where it lists no vocabulary. */
function addFastTokenizer(ids: Map<string, number>, tokenizer: JsonObject): boolean {
  const model = tokenizer.model;
  const vocabulary = isObject(model) ? model.vocab : undefined;
  if (Array.isArray(vocabulary)) {
    // Unigram: [token, score], the id is the place
    for (const [id, entry] of vocabulary.entries()) {
      if (Array.isArray(entry) && typeof entry[0] === 'string') {
        ids.set(entry[0], id);
      }
    }
  } else {
    addIds(ids, vocabulary);
  }
  const isComplete = ids.size > 0;
  const added = tokenizer.added_tokens;
  for (const token of Array.isArray(added) ? added : []) {
    if (isObject(token)) {
      addToken(ids, token.content, token.id);
    }
  }
  return isComplete;
}

/** What vocab.json (BPE) or vocab.txt (WordPiece: one token a line) lists; false where neither lists any. */
async function addVocabularyFile(
  ids: Map<string, number>,
  folder: string,
  problems: string[],
): Promise<boolean> {
  const before = ids.size;
  addIds(ids, await readJson(folder, 'vocab.json', problems));
  if (ids.size === before) {
    const text = await readText(folder, 'vocab.txt', problems);
    for (const [id, token] of (text ?? '').split(/\r?\n/).entries()) {
      // The file ends with a line end, after which there is no token.
      if (token !== '') {
        ids.set(token, id);
      }
    }
  }
  return ids.size > before;
}

/** {"token": id} */
function addIds(ids: Map<string, number>, tokens: unknown): void {
  for (const [token, id] of Object.entries(isObject(tokens) ? tokens : {})) {
    addToken(ids, token, id);
  }
}

/** `added_tokens_decoder` of tokenizer_config.json: {"id": {"content": "token"}} */
function addDecoder(ids: Map<string, number>, tokenizerConfig: JsonObject | null): void {
  const decoder = tokenizerConfig?.added_tokens_decoder;
  for (const [id, token] of Object.entries(isObject(decoder) ? decoder : {})) {
    if (isObject(token)) {
      addToken(ids, token.content, Number(id));
    }
  }
}

function addToken(ids: Map<string, number>, token: unknown, id: unknown): void {
  if (typeof token === 'string' && Number.isInteger(id)) {
    ids.set(token, id as number);
  }
}
