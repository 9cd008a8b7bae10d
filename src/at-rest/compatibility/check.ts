import type { JsonObject } from './config.js';
import type { Remark } from './finding.js';
import type { ModelFolder } from './model-folder.js';

/** One thing that is compared. */
export interface Check {
  readonly id: string;
  /** the files it reads, for people */
  readonly reads: string;
  /** one sentence for people: what goes wrong where it finds something */
  readonly meaning: string;
  /** @param name of the model, as messages use it */
  compare(name: string, model: ModelFolder, base: ModelFolder): Remark[];
}

/** A comparison of the two config.json; where one is missing (an adapter has none) nothing is known. */
export function compareConfigs(
  compare: (name: string, model: JsonObject, base: JsonObject) => Remark[],
): Check['compare'] {
  return (name, model, base) => {
    return model.config === null || base.config === null ? [] : compare(name, model.config, base.config);
  };
}
