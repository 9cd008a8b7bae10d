import type { Check } from '../check.js';
import type { Remark } from '../finding.js';
import { quoted, shown } from '../words.js';

/** Characters around the first difference that are shown. */
const BEFORE = 15;
const AFTER = 30;

export const chatTemplate: Check = {
  id: 'chat_template',
  reads: 'chat_template.jinja, else chat_template.json, else tokenizer_config.json',
  meaning: 'A merged model has one chat template; models trained with another are asked in the wrong words.',
  compare: (name, { chatTemplates: model }, { chatTemplates: base }) => {
    if (model === null || base === null) {
      return [];
    }
    const remarks: Remark[] = [];
    for (const template of new Set([...model.keys(), ...base.keys()])) {
      const field = template === 'default' ? 'chat_template' : `chat_template ${shown(template)}`;
      remarks.push(...compareTemplates(field, name, model.get(template), base.get(template)));
    }
    return remarks;
  },
};

function compareTemplates(
  field: string,
  name: string,
  model: string | undefined,
  base: string | undefined,
): Remark[] {
  if (model === base) {
    return [];
  }
  if (model === undefined || base === undefined) {
    const [owner, other] = base === undefined ? [name, 'the base'] : ['the base', name];
    const text = `${field} is in ${owner}, ${other} has none: give it to the merged model if it is to chat`;
    return [{ severity: 'info', text }];
  }
  const difference = firstDifference(name, model, base);
  const text = `${field} differs, first in ${difference}: the merged model gets one of them; take that of the model whose prompts you will use`;
  return [{ severity: 'warning', text }];
}

/** Templates have hundreds of lines, or one of thousands of characters. */
function firstDifference(name: string, model: string, base: string): string {
  let at = 0;
  while (model[at] === base[at]) {
    at++;
  }
  const line = model.slice(0, at).split('\n').length;
  return `line ${line} (${excerpt(model, at)} in ${name}, ${excerpt(base, at)} in the base)`;
}

/** What follows on the same beginning, with a little of that to find it by. */
function excerpt(template: string, at: number): string {
  const text = template.slice(Math.max(0, at - BEFORE), at + AFTER);
  return at === template.length ? `${quoted(text)} and no more` : quoted(text);
}
