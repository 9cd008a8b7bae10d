import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readPoolFile } from '../../src/calibrate/pool-file.js';
import { poolJsonSchema } from '../../src/calibrate/pool-schema.js';
import { disk } from '../at-rest/models-on-disk.js';

const { at, write } = disk();
beforeAll(() => write('unused', new Map()));

async function read(text: string) {
  writeFileSync(at('pool.yaml'), text);
  return readPoolFile(at('pool.yaml'));
}

async function refusal(text: string): Promise<string> {
  const error = await read(text).then(
    () => new Error('it was taken'),
    (thrown: Error) => thrown,
  );
  return error.message.replaceAll(at('pool.yaml'), 'FILE');
}

const LEAST = 'base: b.safetensors\nmodels: models\nevaluate: { zoo: {} }\n';

describe('a pool file', () => {
  it('has defaults, and paths of its own folder', async () => {
    const { settings, folder, name } = await read(LEAST);
    expect({ folder, name }).toEqual({ folder: dirname(at('pool.yaml')), name: 'pool' });
    expect(settings).toEqual({
      base: at('b.safetensors'),
      models: at('models'),
      methods: ['weight_avg', 'task_arithmetic', 'ties', 'dare', 'tsv', 'isotropic'],
      evaluate: { zoo: { data: null, seed: 0 }, timeLimitSeconds: 600 },
      selfProbe: true,
      heads: [],
    });
    const other = await read(
      'name: mine\nbase: /b\nmodels: [{ path: m }, { path: /n, name: n, task: t }]\nevaluate: { zoo: { data: tasks } }\ngroups: {}',
    );
    expect(other.name).toBe('mine');
    expect(other.settings).toMatchObject({
      base: '/b',
      models: [{ path: at('m') }, { path: '/n', name: 'n', task: 't' }],
      evaluate: { zoo: { data: at('tasks') } },
      groups: { sizes: [3], each: 12, seed: 0 },
    });
  });

  it('is refused with everything that is wrong, each with its line and the nearest name', async () => {
    const text = `
base: ''
modles: here
methods: []
models:
  - { path: a, tsk: b }
  - 5
groups: { sizes: [2], each: 0 }
evaluate:
  comand: python
  timeLimitSeconds: 0
selfProbe: yes please
`;
    expect(await refusal(text)).toBe(`FILE: 11 options are wrong:
  - line 2: base is "" (string), but must be a non-empty text
  - line 3: modles is unknown; did you mean models?
  - line 4: methods is [] (list), but must be a list, each entry a non-empty text or a section with options (leave it out for the defaults)
  - line 5: models[1] is 5 (number), but must be a section with options (leave it out for the defaults); its options: name, path, task
  - line 6: models[0].tsk is unknown; did you mean models[0].task?
  - line 8: groups.sizes[0] is 2 (number), but must be an integer of at least 3 and at most 32
  - line 8: groups.each is 0 (number), but must be an integer of at least 1 and at most 1000
  - line 9: evaluate has neither zoo nor command; give one of them
  - line 10: evaluate.comand is unknown; did you mean evaluate.command?
  - line 11: evaluate.timeLimitSeconds is 0 (number), but must be a number above 0 and at most 2000000
  - line 12: selfProbe is "yes please" (string), but must be true or false`);
  });

  it('names one way to evaluate', async () => {
    const rest = 'base: b\nmodels: m\n';
    expect(await refusal(`${rest}evaluate: {}`)).toBe(
      'FILE: one option is wrong:\n  - line 3: evaluate has neither zoo nor command; give one of them',
    );
    expect(await refusal(`${rest}evaluate: { zoo: {}, command: x }`)).toMatch(
      'evaluate has both zoo and command; give one of them',
    );
    expect(await refusal(rest)).toMatch('evaluate is not given, but must be a section with options');
  });

  it('is refused where it is no YAML, empty or not there', async () => {
    expect(await refusal('base: [')).toMatch(/^FILE is not valid YAML:\n {2}- line 1: /);
    expect(await refusal('')).toMatch(/^FILE: 3 options are wrong:/);
    await expect(readPoolFile(at('none.yaml'))).rejects.toThrow(
      /^the pool file .*none\.yaml can not be read: there is no such file/,
    );
  });

  it('has an example that is one, and a schema for editors that is the code’s', async () => {
    const { settings } = await readPoolFile('examples/pool.yaml');
    expect(settings.models).toHaveLength(5);
    expect(settings.groups).toEqual({ sizes: [3, 4], each: 12, seed: 0 });
    expect(JSON.parse(readFileSync('config/pool.schema.json', 'utf8'))).toEqual(poolJsonSchema());
  });
});
