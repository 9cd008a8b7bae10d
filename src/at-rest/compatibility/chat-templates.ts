import { isObject, type JsonObject } from './config.js';
import { readJson, readText } from './read-file.js';

/**
 * Chat templates by name (`default` where there is one only), from the first of the places that transformers looks
 * into. Empty: the tokenizer's files are there and have none. Null: nothing is known of it.
 */
export async function readChatTemplates(
  folder: string,
  tokenizerConfig: JsonObject | null,
  problems: string[],
): Promise<ReadonlyMap<string, string> | null> {
  const jinja = await readText(folder, 'chat_template.jinja', problems);
  if (jinja !== undefined) {
    return templatesOf(jinja);
  }
  const processor = await readJson(folder, 'chat_template.json', problems);
  if (isObject(processor)) {
    return templatesOf(processor.chat_template);
  }
  return tokenizerConfig === null ? null : templatesOf(tokenizerConfig.chat_template);
}

/** Of one template, or of a list of {name, template}. */
function templatesOf(value: unknown): Map<string, string> {
  const templates = new Map<string, string>();
  const entries = Array.isArray(value) ? value : [{ name: 'default', template: value }];
  for (const entry of entries) {
    const name = isObject(entry) ? entry.name : undefined;
    const template = isObject(entry) ? entry.template : undefined;
    if (typeof name === 'string' && typeof template === 'string') {
      templates.set(name, unified(template));
    }
  }
  return templates;
}

/** Line ends and the end of the file get changed when a template moves from JSON to a file of its own. */
function unified(template: string): string {
  return template.replaceAll('\r\n', '\n').trimEnd();
}
