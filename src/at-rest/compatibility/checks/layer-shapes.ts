import { isDeepStrictEqual } from 'node:util';
import { type Check, compareConfigs } from '../check.js';
import { firstStated, isObject, type JsonObject, textFirst } from '../config.js';
import { hasLearnedPositions, POSITIONS } from '../positions.js';
import { type Difference, describeDifferences } from '../words.js';

/** What decides the shapes of tensors, or which numbers in them belong together, under the names of all families. */
const SIZES: readonly (readonly string[])[] = [
  ['hidden_size', 'n_embd', 'n_embed', 'd_model', 'dim'],
  ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers'],
  ['intermediate_size', 'n_inner', 'd_ff', 'ffn_dim', 'hidden_dim', 'ffn_hidden_size'],
  ['num_attention_heads', 'n_head', 'n_heads', 'num_heads'],
  ['num_key_value_heads', 'num_kv_heads', 'n_head_kv'],
  ['head_dim', 'd_kv', 'kv_channels'],
  ['num_experts', 'num_local_experts', 'n_routed_experts'],
  ['moe_intermediate_size'],
  ['shared_expert_intermediate_size'],
  ['num_decoder_layers'],
  ['encoder_layers'],
  ['decoder_layers'],
  ['encoder_ffn_dim'],
  ['decoder_ffn_dim'],
  ['encoder_attention_heads'],
  ['decoder_attention_heads'],
  ['type_vocab_size'],
  ['relative_attention_num_buckets'],
  ['image_size'],
  ['patch_size'],
  ['num_channels'],
  ['projection_dim'],
  ['embed_dim'],
  ['depths'],
  ['hidden_sizes'],
];

/** Parts of composed models beside the language model. */
const PARTS = ['vision_config', 'audio_config', 'encoder', 'decoder'];

export const layerShapes: Check = {
  id: 'layer_shapes',
  reads: 'config.json',
  meaning: 'Models of different sizes have tensors of different shapes, which do not fit each other.',
  compare: compareConfigs((name, model, base) => {
    const differing = differentSizes('', textFirst(model), textFirst(base));
    if (hasLearnedPositions(model) && hasLearnedPositions(base)) {
      addDifference(differing, '', POSITIONS, textFirst(model), textFirst(base));
    }
    for (const part of PARTS) {
      const [ours, theirs] = [model[part], base[part]];
      if (isObject(ours) && isObject(theirs)) {
        differing.push(...differentSizes(`${part}.`, [ours], [theirs]));
      }
    }
    if (differing.length === 0) {
      return [];
    }
    const found = describeDifferences(name, differing);
    const text = `${found}: the weights do not fit each other; take fine-tunes of this base, of the same size`;
    return [{ severity: 'error', text }];
  }),
};

function differentSizes(
  prefix: string,
  model: readonly JsonObject[],
  base: readonly JsonObject[],
): Difference[] {
  const differing: Difference[] = [];
  for (const names of SIZES) {
    addDifference(differing, prefix, names, model, base);
  }
  return differing;
}

/**
 * A size that one of them does not state is not known: what stands for it is up to the model's class (`n_inner` of
 * GPT-2 is then four times `n_embd`, `num_key_value_heads` of Llama is `num_attention_heads`).
 */
function addDifference(
  differing: Difference[],
  prefix: string,
  names: readonly string[],
  model: readonly JsonObject[],
  base: readonly JsonObject[],
): void {
  const [ours, theirs] = [firstStated(model, names), firstStated(base, names)];
  if (ours === undefined || theirs === undefined || isDeepStrictEqual(ours, theirs)) {
    return;
  }
  // The user looks for the name that stands in the file.
  const written = names.find((key) => firstStated(model, [key]) !== undefined)!;
  differing.push({ field: prefix + written, model: ours, base: theirs });
}
