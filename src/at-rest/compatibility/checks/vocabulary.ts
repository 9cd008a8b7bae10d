import { isDeepStrictEqual } from 'node:util';
import type { Check } from '../check.js';
import { firstStated, textFirst } from '../config.js';
import type { Remark } from '../finding.js';
import type { ModelFolder } from '../model-folder.js';
import type { Vocabulary } from '../vocabulary.js';
import { counted, describeDifferences, quoted } from '../words.js';

const EXAMPLES = 3;

export const vocabulary: Check = {
  id: 'vocabulary',
  reads:
    'config.json; tokenizer.json, else vocab.json or vocab.txt, added_tokens.json and tokenizer_config.json',
  meaning: 'A row of the embeddings must be of the same token in every model.',
  compare: (name, model, base) => {
    const remarks = compareSizes(name, model, base);
    if (model.vocabulary !== null && base.vocabulary !== null) {
      remarks.push(...compareIds(name, model.vocabulary, base.vocabulary));
      remarks.push(...compareTokens(name, model.vocabulary, base.vocabulary));
    }
    return remarks;
  },
};

function compareSizes(name: string, model: ModelFolder, base: ModelFolder): Remark[] {
  if (model.config === null || base.config === null) {
    return [];
  }
  const ours = firstStated(textFirst(model.config), ['vocab_size']);
  const theirs = firstStated(textFirst(base.config), ['vocab_size']);
  if (ours === undefined || theirs === undefined || isDeepStrictEqual(ours, theirs)) {
    return [];
  }
  const found = describeDifferences(name, [{ field: 'vocab_size', model: ours, base: theirs }]);
  const way = 'bring them to one size first (resize_token_embeddings of transformers)';
  return [{ severity: 'error', text: `${found}: the embeddings do not fit each other; ${way}` }];
}

function compareIds(name: string, model: Vocabulary, base: Vocabulary): Remark[] {
  const moved: string[] = [];
  let count = 0;
  for (const [token, id] of model.ids) {
    const other = base.ids.get(token);
    if (other === undefined || other === id) {
      continue;
    }
    count++;
    if (moved.length < EXAMPLES) {
      moved.push(`${quoted(token)} (${id}, ${other} in the base)`);
    }
  }
  if (count === 0) {
    return [];
  }
  const found = `${counted(count, 'token')} of ${name} ${count === 1 ? 'has another id' : 'have other ids'} in the base: ${listed(moved, count)}`;
  const way = 'sort the rows of the embeddings by the tokens of the base first';
  return [{ severity: 'error', text: `${found}; the same row is of different tokens: ${way}` }];
}

function compareTokens(name: string, model: Vocabulary, base: Vocabulary): Remark[] {
  // Of one the added tokens only, of the other all: what lacks then is not known.
  if (model.isComplete !== base.isComplete) {
    return [];
  }
  const added = lackingIn(base, model);
  const gone = lackingIn(model, base);
  const found: string[] = [];
  if (added.count > 0) {
    found.push(
      `${counted(added.count, 'token')} of ${name} ${verb(added.count)} not in the base: ${added.examples}`,
    );
  }
  if (gone.count > 0) {
    found.push(
      `${counted(gone.count, 'token')} of the base ${verb(gone.count)} not in ${name}: ${gone.examples}`,
    );
  }
  if (found.length === 0) {
    return [];
  }
  const way =
    'their rows mean nothing in the models that lack them; take the tokenizer of the model that uses them';
  return [{ severity: 'warning', text: `${found.join('; ')}; ${way}` }];
}

function lackingIn(where: Vocabulary, of: Vocabulary): { count: number; examples: string } {
  const names: string[] = [];
  let count = 0;
  for (const token of of.ids.keys()) {
    if (where.ids.has(token)) {
      continue;
    }
    count++;
    if (names.length < EXAMPLES) {
      names.push(quoted(token));
    }
  }
  return { count, examples: listed(names, count) };
}

function listed(examples: readonly string[], count: number): string {
  const more = count - examples.length;
  return examples.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function verb(count: number): string {
  return count === 1 ? 'is' : 'are';
}
