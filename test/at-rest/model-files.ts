import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { checkModelFiles, type Finding } from '../../src/at-rest/compatibility/index.js';

/** Files by name; what is not text is written as JSON. */
export type Files = Record<string, unknown>;

/** A temporary folder for the tests of one file: writes folders of models below it. */
export function modelFolders(): (name: string, files: Files) => Promise<string> {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'mergeguard-'));
  });
  afterAll(() => rm(root, { recursive: true }));
  let count = 0;
  return async (name, files) => {
    // Every call has a folder of its own, whatever the test before it left.
    const folder = join(root, `${count++}`, name);
    await mkdir(folder, { recursive: true });
    for (const [file, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return folder;
  };
}

/** What is found about one model called "tuned" against a base called "origin". */
export async function findingsOf(
  write: (name: string, files: Files) => Promise<string>,
  base: Files,
  model: Files,
): Promise<Finding[]> {
  const origin = { name: 'origin', path: await write('origin', base) };
  return checkModelFiles(origin, [{ name: 'tuned', path: await write('tuned', model) }]);
}

export const LLAMA = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  bos_token_id: 128000,
  eos_token_id: 128001,
  head_dim: 128,
  hidden_size: 4096,
  intermediate_size: 14336,
  max_position_embeddings: 131072,
  model_type: 'llama',
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_scaling: {
    factor: 8,
    high_freq_factor: 4,
    low_freq_factor: 1,
    original_max_position_embeddings: 8192,
    rope_type: 'llama3',
  },
  rope_theta: 500000,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  transformers_version: '4.43.0',
  vocab_size: 128256,
};

export const QWEN = {
  architectures: ['Qwen2ForCausalLM'],
  bos_token_id: 151643,
  eos_token_id: 151643,
  hidden_size: 3584,
  intermediate_size: 18944,
  max_position_embeddings: 131072,
  max_window_layers: 28,
  model_type: 'qwen2',
  num_attention_heads: 28,
  num_hidden_layers: 28,
  num_key_value_heads: 4,
  rope_theta: 1000000,
  sliding_window: 131072,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  use_sliding_window: false,
  vocab_size: 152064,
};

export const BERT = {
  architectures: ['BertForMaskedLM'],
  hidden_size: 768,
  intermediate_size: 3072,
  max_position_embeddings: 512,
  model_type: 'bert',
  num_attention_heads: 12,
  num_hidden_layers: 12,
  pad_token_id: 0,
  type_vocab_size: 2,
  vocab_size: 30522,
};

export const GPT2 = {
  architectures: ['GPT2LMHeadModel'],
  bos_token_id: 50256,
  eos_token_id: 50256,
  model_type: 'gpt2',
  n_ctx: 1024,
  n_embd: 768,
  n_head: 12,
  n_inner: null,
  n_layer: 12,
  n_positions: 1024,
  vocab_size: 50257,
};

export const T5 = {
  architectures: ['T5ForConditionalGeneration'],
  d_ff: 2048,
  d_kv: 64,
  d_model: 512,
  decoder_start_token_id: 0,
  eos_token_id: 1,
  model_type: 't5',
  n_positions: 512,
  num_heads: 8,
  num_layers: 6,
  pad_token_id: 0,
  relative_attention_num_buckets: 32,
  vocab_size: 32128,
};

export const DISTILBERT = {
  architectures: ['DistilBertForMaskedLM'],
  dim: 768,
  hidden_dim: 3072,
  max_position_embeddings: 512,
  model_type: 'distilbert',
  n_heads: 12,
  n_layers: 6,
  vocab_size: 30522,
};

export const CLIP = {
  architectures: ['CLIPModel'],
  model_type: 'clip',
  projection_dim: 512,
  text_config: {
    hidden_size: 512,
    intermediate_size: 2048,
    max_position_embeddings: 77,
    model_type: 'clip_text_model',
    num_attention_heads: 8,
    num_hidden_layers: 12,
    vocab_size: 49408,
  },
  vision_config: {
    hidden_size: 768,
    image_size: 224,
    intermediate_size: 3072,
    model_type: 'clip_vision_model',
    num_attention_heads: 12,
    num_channels: 3,
    num_hidden_layers: 12,
    patch_size: 32,
  },
};

export const MIXTRAL = {
  architectures: ['MixtralForCausalLM'],
  hidden_size: 4096,
  model_type: 'mixtral',
  num_local_experts: 8,
  rope_theta: 1000000,
  sliding_window: null,
  vocab_size: 32000,
};

export const NEOX = {
  architectures: ['GPTNeoXForCausalLM'],
  hidden_size: 512,
  model_type: 'gpt_neox',
  rotary_emb_base: 10000,
  rotary_pct: 0.25,
  vocab_size: 50304,
};

/** As transformers 4 writes it. */
export const GEMMA = {
  architectures: ['Gemma3ForConditionalGeneration'],
  eos_token_id: [1, 106],
  model_type: 'gemma3',
  text_config: {
    hidden_size: 2560,
    model_type: 'gemma3_text',
    rope_local_base_freq: 10000,
    rope_scaling: { factor: 8, rope_type: 'linear' },
    rope_theta: 1000000,
    sliding_window: 1024,
  },
  torch_dtype: 'bfloat16',
  vision_config: { hidden_size: 1152, image_size: 896, model_type: 'siglip_vision_model', patch_size: 14 },
};
