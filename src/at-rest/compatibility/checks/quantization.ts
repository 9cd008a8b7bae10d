import type { Check } from '../check.js';
import { firstStated, isObject, outerFirst } from '../config.js';
import { shown } from '../words.js';

export const quantization: Check = {
  id: 'quantization',
  reads: 'config.json',
  meaning: 'Quantised weights are codes, not floats that could be subtracted.',
  // The one check that compares nothing: a quantised model is of no use whatever the base is.
  compare: (name, { config }) => {
    const found = config === null ? undefined : firstStated(outerFirst(config), ['quantization_config']);
    if (!isObject(found)) {
      return [];
    }
    const method = firstStated([found], ['quant_method', 'quant_type']);
    const bits = firstStated([found], ['bits']);
    const kind =
      (method === undefined ? '' : ` of ${shown(method)}`) + (bits ? ` with ${shown(bits)} bits` : '');
    const text = `quantization_config${kind} is set in ${name}, whose weights are then not floats that can be subtracted: give the checkpoint from before, or dequantise it first`;
    return [{ severity: 'error', text }];
  },
};
