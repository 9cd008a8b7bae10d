import { describe, expect, it } from 'vitest';
import {
  BERT,
  CLIP,
  DISTILBERT,
  findingsOf,
  GEMMA,
  GPT2,
  LLAMA,
  MIXTRAL,
  modelFolders,
  NEOX,
  QWEN,
  T5,
} from './model-files.js';

const write = modelFolders();

/** "severity check" of every finding of two configurations, and the texts. */
async function compare(base: object, model: object): Promise<{ kinds: string[]; text: string }> {
  const findings = await findingsOf(write, { 'config.json': base }, { 'config.json': model });
  return {
    kinds: findings.map(({ severity, check }) => `${severity} ${check}`),
    text: findings.map(({ text }) => text).join('\n'),
  };
}

const { rope_theta: _theta, rope_scaling: _scaling, ...llamaOfVersion5 } = LLAMA;
const { rope_theta: _absent, ...llamaWithoutTheta } = LLAMA;
const { rope_theta: _usual, ...mixtralWithoutTheta } = MIXTRAL;
const { tie_word_embeddings: _tie, ...llamaWithoutTie } = LLAMA;
const { rope_theta, rope_scaling, rope_local_base_freq, ...gemmaText } = GEMMA.text_config;

/** What, base, model, findings, and what the texts must say. */
type Case = [what: string, base: object, model: object, kinds: string[], says: string[]];

const DIFFERENT: Case[] = [
  [
    'another architecture',
    LLAMA,
    { ...LLAMA, model_type: 'mistral', architectures: ['MistralForCausalLM'] },
    ['error model_type'],
    ['model_type is mistral in tuned, llama in the base'],
  ],
  [
    'a language model of another architecture within',
    CLIP,
    { ...CLIP, text_config: { ...CLIP.text_config, model_type: 'bert' } },
    ['error model_type'],
    ['text_config.model_type is bert in tuned, clip_text_model in the base'],
  ],
  [
    'another head on the same trunk',
    BERT,
    { ...BERT, architectures: ['BertForSequenceClassification'] },
    ['warning model_type'],
    ['architectures is ["BertForSequenceClassification"] in tuned, ["BertForMaskedLM"] in the base'],
  ],
  [
    'sizes of Llama, all in one finding',
    LLAMA,
    { ...LLAMA, hidden_size: 8192, num_hidden_layers: 80, intermediate_size: 28672, num_attention_heads: 64 },
    ['error layer_shapes'],
    [
      'hidden_size is 8192 in tuned, 4096 in the base',
      'num_hidden_layers is 80, 32 in the base',
      'intermediate_size is 28672, 14336 in the base',
      'num_attention_heads is 64, 32 in the base',
    ],
  ],
  [
    'key-value heads and the width of a head',
    LLAMA,
    { ...LLAMA, num_key_value_heads: 4, head_dim: 64 },
    ['error layer_shapes'],
    ['num_key_value_heads is 4 in tuned, 8 in the base', 'head_dim is 64, 128 in the base'],
  ],
  [
    'sizes of GPT-2 under its own names',
    { ...GPT2, n_inner: 3072 },
    { ...GPT2, n_embd: 1024, n_layer: 24, n_head: 16, n_inner: 4096 },
    ['error layer_shapes'],
    ['n_embd is 1024', 'n_layer is 24', 'n_head is 16', 'n_inner is 4096, 3072 in the base'],
  ],
  [
    'sizes of T5',
    T5,
    { ...T5, d_model: 768, d_ff: 3072, num_layers: 12, num_heads: 12, d_kv: 96 },
    ['error layer_shapes'],
    ['d_model is 768', 'd_ff is 3072', 'num_layers is 12', 'num_heads is 12', 'd_kv is 96'],
  ],
  [
    'sizes of DistilBERT',
    DISTILBERT,
    { ...DISTILBERT, dim: 512, n_layers: 4, n_heads: 8, hidden_dim: 2048 },
    ['error layer_shapes'],
    ['dim is 512', 'n_layers is 4', 'n_heads is 8', 'hidden_dim is 2048, 3072 in the base'],
  ],
  [
    'one size under two names',
    { ...GPT2, n_embd: undefined, hidden_size: 1024 },
    GPT2,
    ['error layer_shapes'],
    ['n_embd is 768 in tuned, 1024 in the base'],
  ],
  [
    'the number of experts',
    MIXTRAL,
    { ...MIXTRAL, num_local_experts: 4 },
    ['error layer_shapes'],
    ['num_local_experts is 4 in tuned, 8 in the base'],
  ],
  [
    'patches of CLIP',
    CLIP,
    { ...CLIP, vision_config: { ...CLIP.vision_config, patch_size: 16, image_size: 336, num_channels: 1 } },
    ['error layer_shapes'],
    [
      'vision_config.image_size is 336 in tuned, 224 in the base',
      'vision_config.patch_size is 16',
      'vision_config.num_channels is 1',
    ],
  ],
  [
    'the language model of CLIP',
    CLIP,
    { ...CLIP, text_config: { ...CLIP.text_config, hidden_size: 768 } },
    ['error layer_shapes'],
    ['hidden_size is 768 in tuned, 512 in the base'],
  ],
  [
    'the number of learned positions, which is a shape',
    BERT,
    { ...BERT, max_position_embeddings: 1024 },
    ['error layer_shapes'],
    ['max_position_embeddings is 1024 in tuned, 512 in the base'],
  ],
  [
    'the base of rotary positions',
    { ...QWEN, rope_theta: 10000 },
    QWEN,
    ['warning rope'],
    [
      "rope_theta is 1000000 in tuned, 10000 in the base: the merged model is right for one of them only; take the base's unless you know better",
    ],
  ],
  [
    'a base of rotary positions that is stated nowhere but differs from the usual',
    llamaWithoutTheta,
    LLAMA,
    ['warning rope'],
    ['rope_theta is 500000 in tuned, not set in the base'],
  ],
  [
    'the scaling of rotary positions, old against new style',
    LLAMA,
    {
      ...llamaOfVersion5,
      rope_parameters: { ...LLAMA.rope_scaling, factor: 32, rope_theta: 500000 },
    },
    ['warning rope'],
    ['rope_scaling is {"rope_type":"llama3","factor":32'],
  ],
  [
    'the part of a head that rotates',
    NEOX,
    { ...NEOX, rotary_pct: 1 },
    ['warning rope'],
    ['partial_rotary_factor is 1 in tuned, 0.25 in the base'],
  ],
  [
    'a sliding window, with the longest input in the same finding',
    MIXTRAL,
    { ...MIXTRAL, sliding_window: 4096, max_position_embeddings: 8192 },
    ['warning rope'],
    ['sliding_window is 4096 in tuned, not set in the base'],
  ],
  [
    'a sliding window and the longest input',
    { ...MIXTRAL, max_position_embeddings: 32768 },
    { ...MIXTRAL, sliding_window: 4096, max_position_embeddings: 8192 },
    ['warning rope'],
    ['sliding_window is 4096 in tuned', 'max_position_embeddings is 8192, 32768 in the base'],
  ],
  [
    'the longest input alone',
    LLAMA,
    { ...LLAMA, max_position_embeddings: 8192 },
    ['info rope'],
    ['max_position_embeddings is 8192 in tuned, 131072 in the base'],
  ],
  [
    'rotary positions of the layers with a window, in a language model within',
    GEMMA,
    { ...GEMMA, text_config: { ...GEMMA.text_config, rope_local_base_freq: 50000 } },
    ['warning rope'],
    ['rope_local_base_freq is 50000 in tuned, 10000 in the base'],
  ],
  [
    'the size of the vocabulary',
    LLAMA,
    { ...LLAMA, vocab_size: 128264 },
    ['error vocabulary'],
    ['vocab_size is 128264 in tuned, 128256 in the base', 'resize_token_embeddings'],
  ],
  [
    'special ids',
    LLAMA,
    { ...LLAMA, eos_token_id: [128001, 128009], bos_token_id: 1 },
    ['warning special_tokens'],
    ['bos_token_id is 1 in tuned, 128000 in the base', 'eos_token_id is [128001,128009], 128001 in the base'],
  ],
  [
    'an id that is said to be none',
    T5,
    { ...T5, pad_token_id: null, decoder_start_token_id: 1 },
    ['warning special_tokens'],
    ['pad_token_id is not set in tuned, 0 in the base', 'decoder_start_token_id is 1, 0 in the base'],
  ],
  [
    'tied embeddings',
    LLAMA,
    { ...LLAMA, tie_word_embeddings: true },
    ['warning tied_embeddings'],
    ['tie_word_embeddings is true in tuned, false in the base'],
  ],
  [
    'embeddings of which one does not say whether they are tied',
    LLAMA,
    llamaWithoutTie,
    ['info tied_embeddings'],
    ['tie_word_embeddings is not set in tuned, false in the base'],
  ],
  [
    'the type of numbers, old against new name',
    LLAMA,
    { ...LLAMA, torch_dtype: undefined, dtype: 'float32' },
    ['info dtype'],
    ['dtype is float32 in tuned, bfloat16 in the base'],
  ],
  [
    'the type of numbers of a language model within',
    { ...GEMMA, torch_dtype: undefined, text_config: { ...GEMMA.text_config, torch_dtype: 'float32' } },
    GEMMA,
    ['info dtype'],
    ['dtype is bfloat16 in tuned, float32 in the base'],
  ],
  [
    'quantised weights',
    LLAMA,
    { ...LLAMA, quantization_config: { bits: 4, quant_method: 'gptq' } },
    ['error quantization'],
    ['quantization_config of gptq with 4 bits is set in tuned'],
  ],
  [
    'a value whose difference lies beyond what can be shown',
    { ...LLAMA, rope_scaling: { long_factor: [...Array(60).fill(1), 2], rope_type: 'longrope' } },
    { ...LLAMA, rope_scaling: { long_factor: [...Array(60).fill(1), 3], rope_type: 'longrope' } },
    ['warning rope'],
    ['rope_scaling looks the same in tuned and in the base', 'differs further on'],
  ],
];

const SAME: [what: string, base: object, model: object][] = [
  [
    'versions and names that mean nothing',
    LLAMA,
    { ...LLAMA, transformers_version: '5.0', _name_or_path: 'x' },
  ],
  [
    'the style of transformers 5',
    LLAMA,
    { ...llamaOfVersion5, rope_parameters: { ...LLAMA.rope_scaling, rope_theta: 500000 } },
  ],
  [
    'the style of transformers 5, one a kind of layer',
    GEMMA,
    {
      ...GEMMA,
      text_config: {
        ...gemmaText,
        rope_parameters: {
          full_attention: { ...rope_scaling, rope_theta },
          sliding_attention: { rope_theta: rope_local_base_freq, rope_type: 'default' },
        },
      },
    },
  ],
  ['a model written flat by one version and composed by another', QWEN, { ...QWEN, text_config: QWEN }],
  [
    'the old name of a kind of scaling',
    { ...QWEN, rope_scaling: { type: 'yarn', factor: 4 } },
    { ...QWEN, rope_scaling: { rope_type: 'yarn', factor: 4 } },
  ],
  [
    'a scaling that scales nothing',
    { ...QWEN, rope_scaling: null },
    { ...QWEN, rope_scaling: { rope_type: 'default' } },
  ],
  [
    'the usual base of rotary positions, stated or not',
    mixtralWithoutTheta,
    { ...mixtralWithoutTheta, rope_theta: 10000 },
  ],
  [
    'the old name of the scaling of Qwen2-VL',
    { ...QWEN, rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] } },
    { ...QWEN, rope_scaling: { type: 'default', rope_type: 'default', mrope_section: [16, 24, 24] } },
  ],
  ['a longest input that one does not state', MIXTRAL, { ...MIXTRAL, max_position_embeddings: 32768 }],
  ['a window that is not used', QWEN, { ...QWEN, sliding_window: 4096 }],
  ['sizes that one does not state', GPT2, { ...GPT2, n_inner: 3072 }],
  ['an id that one does not state', BERT, { ...BERT, eos_token_id: 102 }],
  ['a list of one id', LLAMA, { ...LLAMA, eos_token_id: [128001] }],
  ['the order of several ids', GEMMA, { ...GEMMA, eos_token_id: [106, 1] }],
  [
    'the new name of the type of numbers',
    LLAMA,
    { ...LLAMA, torch_dtype: undefined, dtype: 'torch.bfloat16' },
  ],
  ['no quantization', LLAMA, { ...LLAMA, quantization_config: null }],
];

describe('two configurations', () => {
  it.each(DIFFERENT)('%s', async (_what, base, model, kinds, says) => {
    const found = await compare(base, model);
    expect(found.kinds).toEqual(kinds);
    for (const text of says) {
      expect(found.text).toContain(text);
    }
  });

  it.each(SAME)('%s is no difference, either way round', async (_what, base, model) => {
    expect(await compare(base, model)).toEqual({ kinds: [], text: '' });
    expect(await compare(model, base)).toEqual({ kinds: [], text: '' });
  });

  it.each(Object.entries({ LLAMA, QWEN, BERT, GPT2, T5, DISTILBERT, CLIP, MIXTRAL, NEOX, GEMMA }))(
    '%s is like itself',
    async (_name, config) => {
      expect((await compare(config, config)).kinds).toEqual([]);
    },
  );

  it('are of two architectures, whatever else differs: errors come first, then warnings, then infos', async () => {
    const found = await compare(LLAMA, { ...QWEN, torch_dtype: 'float16' });
    expect(found.kinds).toEqual([
      'error model_type',
      'error layer_shapes',
      'error vocabulary',
      'warning rope',
      'warning special_tokens',
      'info dtype',
    ]);
  });
});
