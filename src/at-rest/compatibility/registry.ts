import type { Check } from './check.js';
import { chatTemplate } from './checks/chat-template.js';
import { dtype } from './checks/dtype.js';
import { layerShapes } from './checks/layer-shapes.js';
import { modelType } from './checks/model-type.js';
import { quantization } from './checks/quantization.js';
import { rope } from './checks/rope.js';
import { specialTokens } from './checks/special-tokens.js';
import { tiedEmbeddings } from './checks/tied-embeddings.js';
import { vocabulary } from './checks/vocabulary.js';

/** Every check, in the order of their findings. Adding one is adding a file and a line here. */
export const CHECKS: readonly Check[] = [
  modelType,
  quantization,
  layerShapes,
  vocabulary,
  rope,
  specialTokens,
  chatTemplate,
  tiedEmbeddings,
  dtype,
];
