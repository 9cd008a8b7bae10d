import { firstStated, type JsonObject } from './config.js';

/** The names of the longest input. */
export const POSITIONS = ['max_position_embeddings', 'n_positions'] as const;

/**
 * Families that learn an embedding a position: the longest input is the shape of a tensor for them, while it is a
 * hint to others (rotary or relative positions). A family that is missing here gets the hint instead of the error;
 * the comparison of the tensors still finds the shapes.
 */
const LEARNED = new Set([
  'albert',
  'bart',
  'bert',
  'blenderbot',
  'camembert',
  'clip',
  'clip_text_model',
  'deberta',
  'distilbert',
  'electra',
  'gpt2',
  'gpt_bigcode',
  'gpt_neo',
  'mbart',
  'mpnet',
  'openai-gpt',
  'opt',
  'roberta',
  'siglip',
  'siglip_text_model',
  'xlm-roberta',
]);

/** Whether the longest input is the shape of a tensor. */
export function hasLearnedPositions(config: JsonObject): boolean {
  const type = firstStated([config], ['model_type']);
  return typeof type === 'string' && LEARNED.has(type);
}
