import { type TransformerShape, ZOO_SHAPE } from '../../../src/zoo/vision-transformer.js';

/** What is trained, by name on the command line: the demo's transformer, and ViT-S's blocks on the same images (21 M parameters). */
export const MODELS = {
  demo: ZOO_SHAPE,
  '20m': { width: 384, depth: 12, heads: 6 },
} as const satisfies Record<string, TransformerShape>;

export type ModelName = keyof typeof MODELS;
export const MODEL_NAMES = Object.keys(MODELS) as ModelName[];
