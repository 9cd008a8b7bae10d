import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type MergeFilesOptions, mergeFiles, mergeOnce } from '../../src/at-rest/index.js';
import { applyTau, mergeMethod } from '../../src/merging/index.js';
import { type NamedTensors, parseSafetensors, readCheckpoint, taskVector } from '../../src/tensors/index.js';
import { adapter, disk, fineTuned, randomBase, type Tensors } from './models-on-disk.js';

const { at, write, writeAdapter } = disk();
let count = 0;

/** Two models and an adapter in a folder of their own, merged by this method. */
async function merging(id: string, base: Tensors, dtype?: MergeFilesOptions['dtype']) {
  const folder = `once ${count++}`;
  const origin = await write(`${folder}/base`, base);
  const models = [
    await write(`${folder}/one`, fineTuned(base, 'one')),
    await write(`${folder}/two`, fineTuned(base, 'two')),
    await writeAdapter(`${folder}/lora`, adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'lora')),
  ];
  const file = (name: string) => at(`${folder}/${name}.safetensors`);
  return { folder, file, common: { base: origin, models, merge: mergeMethod(id), threads: 1, dtype } };
}

describe('a coefficient on a merge', () => {
  it.each(['weight_avg', 'ties', 'tsv'])('is a factor on the task vector that %s gives', async (id) => {
    const base = randomBase();
    const { file, common } = await merging(id, base);
    const models = common.models.slice(0, 2);
    await mergeFiles({ ...common, models, coefficient: 1.25, out: file('out') });
    const [from, ...tuned] = (await Promise.all([common.base, ...models].map(readCheckpoint))) as [
      NamedTensors,
      ...NamedTensors[],
    ];
    const tau = mergeMethod(id).merge(tuned.map((model) => taskVector(from, model)));
    expect(await readCheckpoint(file('out'))).toEqual(applyTau(from, tau, 1.25));
    const { metadata } = parseSafetensors(readFileSync(file('out')));
    expect(JSON.parse(metadata.mergeguard!)).toMatchObject({ merge: id, coefficient: 1.25 });
  });
});

describe('mergeOnce', () => {
  it.each([
    ['weight_avg', 'F32', undefined],
    ['linear@weights=0.2:0.5:0.4@normalise=false', 'F32', undefined],
    ['ties@trim=tensor', 'F32', 'BF16'],
    ['dare', 'F64', undefined],
    ['tsv', 'F32', 'F16'],
  ] as const)(
    'writes %s of a base in %s to the last byte as mergeFiles, with any coefficient',
    async (id, own, dtype) => {
      const { file, common } = await merging(id, randomBase(own), dtype);
      await mergeOnce({ ...common, tau: file('tau') }, async (merged) => {
        for (const coefficient of [0.6, 1, 1.25]) {
          const { out, ...report } = await merged.write(file('out'), coefficient);
          const { out: _, ...wanted } = await mergeFiles({ ...common, coefficient, out: file('wanted') });
          expect(readFileSync(out)).toEqual(readFileSync(file('wanted')));
          expect(report).toEqual(wanted);
        }
      });
    },
  );

  it('says how far it is once, and tells findings once', async () => {
    const { file, common } = await merging('ties', randomBase());
    const told: number[] = [];
    let findings = 0;
    const options = {
      onProgress: (done: number, total: number) => told.push(done / total),
      onFindings: () => {
        findings += 1;
      },
    };
    await mergeOnce({ ...common, ...options, tau: file('tau') }, async (merged) => {
      expect(told.at(-1)).toBeCloseTo(1, 9);
      const before = told.length;
      await merged.write(file('out'), 0.8);
      expect([told.length, findings]).toEqual([before, 1]);
    });
  });

  it('is stopped by its signal, also while it writes, and leaves nothing of what it wrote', async () => {
    const { folder, file, common } = await merging('ties', randomBase());
    const files = readdirSync(at(folder)).sort();
    const controller = new AbortController();
    const stopped = new Error('stopped');
    const work = mergeOnce({ ...common, signal: controller.signal, tau: file('tau') }, (merged) => {
      expect(existsSync(file('tau'))).toBe(true);
      controller.abort(stopped);
      return merged.write(file('out'), 0.8);
    });
    await expect(work).rejects.toBe(stopped);
    expect(readdirSync(at(folder)).sort()).toEqual([...files, 'tau.safetensors'].sort());
  });
});
