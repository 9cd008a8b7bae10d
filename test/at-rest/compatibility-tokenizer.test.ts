import { describe, expect, it } from 'vitest';
import { type Files, findingsOf, modelFolders } from './model-files.js';

const write = modelFolders();

async function compare(base: Files, model: Files): Promise<string[]> {
  const findings = await findingsOf(write, base, model);
  return findings.map(({ severity, check, text }) => `${severity} ${check}: ${text}`);
}

const VOCABULARY = { '!': 0, '"': 1, a: 2, b: 3, c: 4, ab: 5 };
const ADDED = [{ id: 6, content: '<|endoftext|>', special: true }];

/** A tokenizer.json with byte pairs. */
function bytePairs(vocab: Record<string, number>, added: readonly object[] = ADDED): Files {
  return {
    'tokenizer.json': { version: '1.0', added_tokens: added, model: { type: 'BPE', vocab, merges: ['a b'] } },
  };
}

function unigram(tokens: readonly string[]): Files {
  const vocab = tokens.map((token, i) => [token, -i]);
  return { 'tokenizer.json': { added_tokens: [], model: { type: 'Unigram', unk_id: 0, vocab } } };
}

describe('two vocabularies', () => {
  it('are the same in every form that holds the same tokens', async () => {
    const forms: Files[] = [
      bytePairs(VOCABULARY),
      { 'vocab.json': VOCABULARY, 'added_tokens.json': { '<|endoftext|>': 6 } },
      {
        'vocab.txt': `${Object.keys(VOCABULARY).join('\n')}\n`,
        'tokenizer_config.json': { added_tokens_decoder: { 6: { content: '<|endoftext|>' } } },
      },
      { 'vocab.txt': `${Object.keys(VOCABULARY).join('\r\n')}\r\n<|endoftext|>` },
      unigram([...Object.keys(VOCABULARY), '<|endoftext|>']),
    ];
    for (const base of forms) {
      for (const model of forms) {
        expect(await compare(base, model)).toEqual([]);
      }
    }
  });

  it('differ in ids: counted, with the first three as examples', async () => {
    const moved = { ...VOCABULARY, a: 3, b: 4, c: 5, ab: 2 };
    const [found, ...others] = await compare(bytePairs(VOCABULARY), bytePairs(moved));
    expect(found).toContain('error vocabulary: 4 tokens of tuned have other ids in the base: ');
    expect(found).toContain(
      '"a" (3, 2 in the base), "b" (4, 3 in the base), "c" (5, 4 in the base) and 1 more',
    );
    expect(others).toEqual([]);
  });

  it('differ in the id of one added token', async () => {
    const model = bytePairs(VOCABULARY, [{ id: 7, content: '<|endoftext|>' }]);
    const found = await compare(bytePairs(VOCABULARY), model);
    expect(found).toEqual([
      expect.stringContaining(
        '1 token of tuned has another id in the base: "<|endoftext|>" (7, 6 in the base);',
      ),
    ]);
  });

  it('differ in places of a Unigram list', async () => {
    const found = await compare(unigram(['<unk>', '▁a', '▁b']), unigram(['<unk>', '▁b', '▁a']));
    expect(found).toEqual([expect.stringContaining('error vocabulary: 2 tokens of tuned have other ids')]);
  });

  it('lack tokens of each other: counted, with the first three as examples', async () => {
    const chat = ['<|a|>', '<|b|>', '<|c|>', '<|d|>', '<|e|>'].map((content, i) => ({ id: 7 + i, content }));
    const { '!': _gone, ...rest } = VOCABULARY;
    const [found, ...others] = await compare(bytePairs(VOCABULARY), bytePairs(rest, [...ADDED, ...chat]));
    expect(found).toContain(
      'warning vocabulary: 5 tokens of tuned are not in the base: "<|a|>", "<|b|>", "<|c|>" and 2 more; ' +
        '1 token of the base is not in tuned: "!";',
    );
    expect(others).toEqual([]);
  });

  it('have tokens with the names of things that every object has', async () => {
    const text = (id: number) => `{"model":{"vocab":{"a":0,"__proto__":${id},"constructor":2}}}`;
    const found = await compare({ 'tokenizer.json': text(1) }, { 'tokenizer.json': text(3) });
    expect(found).toEqual([expect.stringContaining('"__proto__" (3, 1 in the base)')]);
    const lacking = await compare({ 'tokenizer.json': text(1) }, bytePairs({ a: 0 }, []));
    expect(lacking).toEqual([
      expect.stringContaining('2 tokens of the base are not in tuned: "__proto__", "constructor";'),
    ]);
  });

  it('show invisible characters', async () => {
    const found = await compare(bytePairs(VOCABULARY), bytePairs({ ...VOCABULARY, 'a\u200b\u001b[2J': 7 }));
    expect(found).toEqual([expect.stringContaining('"a\\u{200b}\\u{1b}[2J"')]);
  });

  it('are not complete without the file of SentencePiece: only ids of added tokens are compared', async () => {
    const base = { 'added_tokens.json': { '<pad>': 6 } };
    expect(await compare(base, bytePairs(VOCABULARY))).toEqual([]);
    const added = [{ id: 7, content: '<pad>' }];
    expect(await compare(base, bytePairs(VOCABULARY, added))).toEqual([
      expect.stringContaining('"<pad>" (7, 6 in the base)'),
    ]);
    expect(await compare(base, { 'added_tokens.json': { '<pad>': 6, '<im>': 7 } })).toEqual([
      expect.stringContaining('1 token of tuned is not in the base: "<im>"'),
    ]);
  });

  it.each([
    ['no vocabulary', { model: { type: 'BPE' } }],
    ['a list', []],
    [
      'nonsense in all places',
      { model: { vocab: [1, 'a', [2, 3], null] }, added_tokens: [null, 'x', { id: 'a' }] },
    ],
    ['ids that are none', { model: { vocab: { a: 'one', b: null, c: 1.5 } }, added_tokens: {} }],
  ])('of which one is %s are not compared', async (_what, tokenizer) => {
    expect(await compare(bytePairs(VOCABULARY), { 'tokenizer.json': tokenizer })).toEqual([]);
  });
});

describe('special tokens', () => {
  const base = { bos_token: null, eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' };

  it('differ: one finding for all of them', async () => {
    const model = {
      bos_token: '<s>',
      eos_token: { __type: 'AddedToken', content: '<|im_end|>', lstrip: false },
      pad_token: '<|endoftext|>',
    };
    const found = await compare({ 'tokenizer_config.json': base }, { 'tokenizer_config.json': model });
    expect(found).toEqual([
      expect.stringContaining(
        'warning special_tokens: bos_token is <s> in tuned, not set in the base; ' +
          'eos_token is <|im_end|>, <|endoftext|> in the base',
      ),
    ]);
  });

  it.each(['bos', 'eos', 'pad', 'unk', 'cls', 'sep', 'mask'])('%s is compared', async (kind) => {
    const found = await compare(
      { 'special_tokens_map.json': { [`${kind}_token`]: '<x>' } },
      { 'special_tokens_map.json': { [`${kind}_token`]: { content: '<y>' } } },
    );
    expect(found).toEqual([expect.stringContaining(`${kind}_token is <y> in tuned, <x> in the base`)]);
  });

  it('are the same as texts and as objects, in either file', async () => {
    const map = { eos_token: { content: '<|endoftext|>' }, pad_token: '<|endoftext|>' };
    expect(await compare({ 'tokenizer_config.json': base }, { 'special_tokens_map.json': map })).toEqual([]);
  });

  it('are not known where a tokenizer states none, as those of GPT-2 and BERT do', async () => {
    const plain = { 'tokenizer_config.json': { model_max_length: 1024 } };
    expect(await compare(plain, { 'tokenizer_config.json': base })).toEqual([]);
  });
});

describe('chat templates', () => {
  const CHATML = "{% for message in messages %}\n{{ '<|im_start|>' + message.role }}\n{% endfor %}";

  it('differ: the first place is shown', async () => {
    const found = await compare(
      { 'tokenizer_config.json': { chat_template: CHATML } },
      { 'tokenizer_config.json': { chat_template: CHATML.replace('role', 'name') } },
    );
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('warning chat_template: chat_template differs, first in line 2 (');
    expect(found[0]).toContain('message.name }}');
    expect(found[0]).toContain('message.role }}');
  });

  it('differ in that one goes on', async () => {
    const found = await compare(
      { 'chat_template.jinja': CHATML },
      { 'chat_template.jinja': `${CHATML} more` },
    );
    expect(found).toEqual([expect.stringContaining('{% endfor %}" and no more in the base)')]);
  });

  it('differ at their very beginning', async () => {
    const found = await compare({ 'chat_template.jinja': CHATML }, { 'chat_template.jinja': `x${CHATML}` });
    expect(found[0]).toContain('line 1 ("x{% for message in messages %}');
  });

  it('are in one model only', async () => {
    const withOne = { 'tokenizer_config.json': { chat_template: CHATML } };
    const without = { 'tokenizer_config.json': { model_max_length: 1024 } };
    expect(await compare(without, withOne)).toEqual([
      expect.stringContaining('info chat_template: chat_template is in tuned, the base has none'),
    ]);
    expect(await compare(withOne, without)).toEqual([
      expect.stringContaining('info chat_template: chat_template is in the base, tuned has none'),
    ]);
  });

  it('are the same in every place, whatever the line ends', async () => {
    const places: Files[] = [
      { 'tokenizer_config.json': { chat_template: CHATML } },
      { 'tokenizer_config.json': { chat_template: [{ name: 'default', template: CHATML }] } },
      { 'chat_template.json': { chat_template: CHATML } },
      { 'chat_template.jinja': `${CHATML.replaceAll('\n', '\r\n')}\n` },
      { 'chat_template.jinja': CHATML, 'tokenizer_config.json': { chat_template: 'of before' } },
    ];
    for (const base of places) {
      for (const model of places) {
        expect(await compare(base, model)).toEqual([]);
      }
    }
  });

  it('are compared by name', async () => {
    const templates = (tools: string) => ({
      'tokenizer_config.json': {
        chat_template: [
          { name: 'default', template: CHATML },
          { name: 'tool_use', template: tools },
        ],
      },
    });
    const found = await compare(templates('x'), templates('y'));
    expect(found).toEqual([
      expect.stringContaining(
        'chat_template tool_use differs, first in line 1 ("y" in tuned, "x" in the base)',
      ),
    ]);
  });

  it('are not known without any file of a tokenizer', async () => {
    expect(await compare({ 'chat_template.jinja': CHATML }, { 'vocab.json': VOCABULARY })).toEqual([]);
  });
});
