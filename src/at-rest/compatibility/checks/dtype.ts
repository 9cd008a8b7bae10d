import { type Check, compareConfigs } from '../check.js';
import { firstStated, type JsonObject, outerFirst } from '../config.js';
import { describeDifferences } from '../words.js';

export const dtype: Check = {
  id: 'dtype',
  reads: 'config.json',
  meaning: 'A small difference of two weights drowns in the rounding of the coarser type.',
  compare: compareConfigs((name, model, base) => {
    const [ours, theirs] = [dtypeOf(model), dtypeOf(base)];
    if (ours === undefined || theirs === undefined || ours === theirs) {
      return [];
    }
    const found = describeDifferences(name, [{ field: 'dtype', model: ours, base: theirs }]);
    const text = `${found}: what was learned is known only as finely as the coarser type; compare checkpoints of one type if you have them`;
    return [{ severity: 'info', text }];
  }),
};

/** Since transformers 4.56 it is called `dtype`; some write "torch.bfloat16". */
function dtypeOf(config: JsonObject): string | undefined {
  const value = firstStated(outerFirst(config), ['dtype', 'torch_dtype']);
  return typeof value === 'string' ? value.replace(/^torch\./, '') : undefined;
}
