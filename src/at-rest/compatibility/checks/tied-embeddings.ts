import { isDeepStrictEqual } from 'node:util';
import { type Check, compareConfigs } from '../check.js';
import { firstStated, outerFirst } from '../config.js';
import { describeDifferences } from '../words.js';

export const tiedEmbeddings: Check = {
  id: 'tied_embeddings',
  reads: 'config.json',
  meaning: 'Where the embeddings are tied, an lm_head of the checkpoint is not used.',
  compare: compareConfigs((name, model, base) => {
    const ours = firstStated(outerFirst(model), ['tie_word_embeddings']);
    const theirs = firstStated(outerFirst(base), ['tie_word_embeddings']);
    if (isDeepStrictEqual(ours, theirs)) {
      return [];
    }
    const found = describeDifferences(name, [{ field: 'tie_word_embeddings', model: ours, base: theirs }]);
    if (ours === undefined || theirs === undefined) {
      // What absence means is up to the model's class and to the version that wrote the file.
      const text = `${found}, which may mean the same: look whether both checkpoints have an lm_head`;
      return [{ severity: 'info', text }];
    }
    // A warning, because the weights themselves often fit: an untied fine-tune began as a copy of the tied head, and
    // a tied checkpoint may have its lm_head stored all the same. Where it is not stored, the tensors are compared by
    // name later and say so. What is left is a merged head that transformers ignores without a word.
    const text = `${found}: a merged lm_head is used by one and ignored by the other; untie the tied one, or leave lm_head out`;
    return [{ severity: 'warning', text }];
  }),
};
