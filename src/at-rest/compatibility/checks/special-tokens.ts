import { isDeepStrictEqual } from 'node:util';
import type { Check } from '../check.js';
import { firstStated, isObject, type JsonObject, outerFirst } from '../config.js';
import type { ModelFolder } from '../model-folder.js';
import { type Difference, describeDifferences } from '../words.js';

const TOKENS = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'cls_token', 'sep_token', 'mask_token'];
const IDS = [...TOKENS.map((token) => `${token}_id`), 'decoder_start_token_id'];

export const specialTokens: Check = {
  id: 'special_tokens',
  reads: 'config.json, tokenizer_config.json, special_tokens_map.json',
  meaning: 'Generation begins, ends and is padded at tokens on which the models must agree.',
  compare: (name, model, base) => {
    const differing = [...differentTokens(model, base), ...differentIds(model, base)];
    if (differing.length === 0) {
      return [];
    }
    const found = describeDifferences(name, differing);
    const way = "take the tokenizer and the ids of the base unless you use the model's chat template";
    return [
      { severity: 'warning', text: `${found}: text is begun, ended or padded in one way only; ${way}` },
    ];
  },
};

function differentTokens(model: ModelFolder, base: ModelFolder): Difference[] {
  const [ours, theirs] = [statedTokens(model), statedTokens(base)];
  // GPT-2's and BERT's own files state none, because the class knows them: that is not a difference.
  if (ours.size === 0 || theirs.size === 0) {
    return [];
  }
  const differing: Difference[] = [];
  for (const field of TOKENS) {
    if (ours.get(field) !== theirs.get(field)) {
      differing.push({ field, model: ours.get(field), base: theirs.get(field) });
    }
  }
  return differing;
}

function statedTokens({ tokenizerConfig, specialTokensMap }: ModelFolder): Map<string, string> {
  const places = [tokenizerConfig, specialTokensMap].filter((place) => place !== null);
  const stated = new Map<string, string>();
  for (const field of TOKENS) {
    const value = firstStated(places, [field]);
    const text = isObject(value) ? value.content : value;
    if (typeof text === 'string') {
      stated.set(field, text);
    }
  }
  return stated;
}

/**
 * Null is said, absence is not: transformers leaves out of config.json what is the default of the model's class.
 */
function differentIds(model: ModelFolder, base: ModelFolder): Difference[] {
  if (model.config === null || base.config === null) {
    return [];
  }
  const differing: Difference[] = [];
  for (const field of IDS) {
    const [ours, theirs] = [idsOf(model.config, field), idsOf(base.config, field)];
    if (ours !== undefined && theirs !== undefined && !isDeepStrictEqual(ours, theirs)) {
      differing.push({ field, model: ours, base: theirs });
    }
  }
  return differing;
}

/** Several ids mean "any of them", so their order says nothing, and a list of one is that one. */
function idsOf(config: JsonObject, field: string): unknown {
  const place = outerFirst(config).find((each) => each[field] !== undefined);
  const value = place === undefined ? undefined : place[field];
  if (!Array.isArray(value) || !value.every((id) => typeof id === 'number')) {
    return value;
  }
  return value.length === 1 ? value[0] : value.toSorted((a, b) => a - b);
}
