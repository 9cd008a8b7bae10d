import { isDeepStrictEqual } from 'node:util';
import { type Check, compareConfigs } from '../check.js';
import { firstStated, isObject, type JsonObject } from '../config.js';
import type { Remark } from '../finding.js';
import { type Difference, describeDifferences } from '../words.js';

/** The parts of a composed model have architectures of their own. */
const PARTS = ['text_config', 'vision_config', 'audio_config'];

export const modelType: Check = {
  id: 'model_type',
  reads: 'config.json',
  meaning: 'Weights of two architectures, or the heads of two tasks, have nothing to do with each other.',
  compare: compareConfigs((name, model, base) => {
    const differing = differentTypes(model, base);
    if (differing.length > 0) {
      const found = describeDifferences(name, differing);
      const text = `${found}: weights of different architectures can't be merged; take fine-tunes of this base`;
      return [{ severity: 'error', text }];
    }
    return compareArchitectures(name, model, base);
  }),
};

function differentTypes(model: JsonObject, base: JsonObject): Difference[] {
  const differing: Difference[] = [];
  addType(differing, 'model_type', model, base);
  for (const part of PARTS) {
    const [ours, theirs] = [model[part], base[part]];
    if (isObject(ours) && isObject(theirs)) {
      addType(differing, `${part}.model_type`, ours, theirs);
    }
  }
  return differing;
}

function addType(differing: Difference[], field: string, model: JsonObject, base: JsonObject): void {
  const [ours, theirs] = [firstStated([model], ['model_type']), firstStated([base], ['model_type'])];
  if (ours !== undefined && theirs !== undefined && !isDeepStrictEqual(ours, theirs)) {
    differing.push({ field, model: ours, base: theirs });
  }
}

function compareArchitectures(name: string, model: JsonObject, base: JsonObject): Remark[] {
  const [ours, theirs] = [model.architectures, base.architectures];
  if (!Array.isArray(ours) || !Array.isArray(theirs) || isDeepStrictEqual(ours, theirs)) {
    return [];
  }
  const found = describeDifferences(name, [{ field: 'architectures', model: ours, base: theirs }]);
  const text = `${found}: the trunk can be merged, the heads can't; keep the head of each model for its own task`;
  return [{ severity: 'warning', text }];
}
