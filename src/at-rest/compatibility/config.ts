/** A JSON object of a file that anybody may have written: nothing about its values is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a JSON value is an object; a list is none. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first value that any of the objects states under any of the keys; null counts as not stated. */
export function firstStated(objects: readonly JsonObject[], keys: readonly string[]): unknown {
  for (const object of objects) {
    for (const key of keys) {
      const value = object[key];
      if (value !== undefined && value !== null) {
        return value;
      }
    }
  }
  return undefined;
}

/** The names under which composed models (CLIP, Llava, Gemma 3, InternVL, DeepSeek-VL) keep their language model. */
const TEXT_PARTS = ['text_config', 'llm_config', 'language_config'];

/** The configurations of the language models within, empty where the model is not composed. */
export function textParts(config: JsonObject): JsonObject[] {
  return TEXT_PARTS.map((key) => config[key]).filter(isObject);
}

/**
 * Where to look for a setting of the language model: in its own part first. The outer level comes too, because
 * one model is written flat by one version of transformers and composed by the next (Qwen2-VL).
 */
export function textFirst(config: JsonObject): JsonObject[] {
  return [...textParts(config), config];
}

/** Where to look for a setting that transformers reads from the outer level if it is there. */
export function outerFirst(config: JsonObject): JsonObject[] {
  return [config, ...textParts(config)];
}
