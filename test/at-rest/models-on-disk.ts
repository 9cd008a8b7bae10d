import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  computePairMetrics,
  hostStatistics,
  METRICS,
  type NumericTensors,
  type PairMetrics,
} from '../../src/metrics/index.js';
import { encodeSafetensors, Random, type TensorInput } from '../../src/tensors/index.js';

export type Tensors = Map<string, TensorInput>;

/** A small network: matrices tall and wide, an embedding, a vector, a convolution; 1,252 parameters. */
export const SHAPES: Record<string, number[]> = {
  'embed.weight': [20, 14],
  'layers.0.up.weight': [24, 14],
  'layers.0.down.weight': [14, 24],
  'layers.0.mix.weight': [14, 14],
  'norm.weight': [14],
  'conv.weight': [5, 2, 3, 3],
};

export function tensor(
  shape: number[],
  random: Random,
  scale = 1,
  dtype: TensorInput['dtype'] = 'F32',
): TensorInput {
  const size = shape.reduce((product, count) => product * count, 1);
  const values = Array.from({ length: size }, () => scale * random.normal());
  return { shape, dtype, data: dtype === 'F64' ? Float64Array.from(values) : Float32Array.from(values) };
}

export function randomBase(dtype: TensorInput['dtype'] = 'F32', seed: number | string = 'base'): Tensors {
  const random = new Random('models on disk', seed);
  return new Map(Object.entries(SHAPES).map(([name, shape]) => [name, tensor(shape, random, 1, dtype)]));
}

/** The base, every value a little away. */
export function fineTuned(base: Tensors, seed: number | string, step = 0.1): Tensors {
  const random = new Random('fine-tuned', seed);
  return new Map(
    [...base].map(([name, { data, ...rest }]) => {
      const moved = (data as Float32Array).map((value) => value + step * random.normal());
      return [name, { ...rest, data: moved }];
    }),
  );
}

export const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  new Map([...tensors].map(([name, value]) => [rename(name), value]));

/** Weights minus the base's, in float64, of what both hold: what a comparison compares. */
export function tauOf(base: Tensors, model: Tensors): NumericTensors {
  return new Map(
    [...base].map(([name, { shape, data }]) => {
      const to = model.get(name)!.data;
      return [
        name,
        {
          shape,
          data: Float64Array.from({ length: data.length }, (_, i) => Number(to[i]) - Number(data[i])),
        },
      ];
    }),
  );
}

export interface Lora {
  rank: number;
  alpha?: number;
  /** names of the matrices it adapts, without `.weight` */
  modules: string[];
  /** tensors that it holds whole */
  whole?: Tensors;
}

/** Factors of an adapter, as PEFT names them, and the dense task vector that they stand for. */
export function adapter(
  base: Tensors,
  { rank, alpha = 2 * rank, modules, whole = new Map() }: Lora,
  seed: number | string,
): { tensors: Tensors; config: object; tau: NumericTensors } {
  const random = new Random('adapter', seed);
  const tensors: Tensors = new Map();
  const tau = new Map<string, { shape: readonly number[]; data: Float64Array }>();
  for (const [name, { shape, data }] of base) {
    tau.set(name, { shape, data: new Float64Array(data.length) });
  }
  for (const module of modules) {
    const { shape, data } = tau.get(`${module}.weight`)!;
    const [out, inputs] = shape as [number, number];
    const a = tensor([rank, inputs], random);
    const b = tensor([out, rank], random, 0.1);
    tensors.set(`base_model.model.${module}.lora_A.weight`, a);
    tensors.set(`base_model.model.${module}.lora_B.weight`, b);
    for (let i = 0; i < out; i++) {
      for (let j = 0; j < inputs; j++) {
        for (let r = 0; r < rank; r++) {
          data[i * inputs + j]! +=
            (alpha / rank) * Number(b.data[i * rank + r]) * Number(a.data[r * inputs + j]);
        }
      }
    }
  }
  for (const [name, value] of whole) {
    tensors.set(`base_model.model.${name}`, value);
    const { shape, data } = tauOf(new Map([[name, base.get(name)!]]), whole).get(name)!;
    tau.set(name, { shape, data: Float64Array.from(data) });
  }
  return {
    tensors,
    config: { peft_type: 'LORA', r: rank, lora_alpha: alpha, base_model_name_or_path: 'it' },
    tau,
  };
}

/** The base with a dense task vector added, in float64. */
export function merged(base: Tensors, tau: NumericTensors): Tensors {
  return new Map(
    [...base].map(([name, { shape, data }]) => {
      const values = Float64Array.from(data as Float32Array, (value, i) => value + tau.get(name)!.data[i]!);
      return [name, { shape, data: values }];
    }),
  );
}

export interface Disk {
  /** absolute path of a file in this test's folder */
  at(name: string): string;
  write(name: string, tensors: Tensors, metadata?: Record<string, string>): Promise<string>;
  /** the base and models fine-tuned from it, each named by its seed, in a folder of their own */
  writeModels(
    folder: string,
    base: Tensors,
    names: readonly string[],
  ): Promise<{ base: string; paths: string[] }>;
  writeAdapter(name: string, made: { tensors: Tensors; config: object }): Promise<string>;
  /** two shards and their index; gives the folder */
  writeShards(name: string, tensors: Tensors): Promise<string>;
}

/** A temporary folder for the tests of one file. */
export function disk(): Disk {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'mergeguard-'));
  });
  afterAll(() => rm(root, { recursive: true }));
  const at = (name: string) => join(root, name);
  const put = async (name: string, content: Uint8Array | string) => {
    await mkdir(dirname(at(name)), { recursive: true });
    await writeFile(at(name), content);
  };
  const write: Disk['write'] = async (name, tensors, metadata = {}) => {
    await put(`${name}.safetensors`, encodeSafetensors(tensors, metadata));
    return at(`${name}.safetensors`);
  };
  return {
    at,
    write,
    async writeModels(folder, base, names) {
      const paths: string[] = [];
      for (const name of names) {
        paths.push(await write(`${folder}/${name}`, fineTuned(base, name)));
      }
      return { base: await write(`${folder}/base`, base), paths };
    },
    async writeAdapter(name, { tensors, config }) {
      await put(`${name}/adapter_model.safetensors`, encodeSafetensors(tensors));
      await put(`${name}/adapter_config.json`, JSON.stringify(config));
      return at(name);
    },
    async writeShards(name, tensors) {
      const map: Record<string, string> = {};
      for (const shard of [0, 1]) {
        const part = new Map([...tensors].filter((_, i) => i % 2 === shard));
        const file = `model-0000${shard + 1}-of-00002.safetensors`;
        await put(`${name}/${file}`, encodeSafetensors(part));
        for (const key of part.keys()) map[key] = file;
      }
      await put(`${name}/model.safetensors.index.json`, JSON.stringify({ metadata: {}, weight_map: map }));
      return at(name);
    },
  };
}

/** Names of the 18 metrics that come from weights alone. */
export const WEIGHT_METRICS = METRICS.filter(({ needs }) =>
  needs.every((part) => ['subspace', 'bottom', 'spectra'].includes(part)),
).map(({ name }) => name);

/** Every metric of two task vectors, the slow obvious way. */
export function slowMetrics(one: NumericTensors, other: NumericTensors, k?: number): PairMetrics {
  const references = [{ name: 'other', taskVector: other }];
  return computePairMetrics(
    hostStatistics({ live: { taskVector: one }, references, ...(k === undefined ? {} : { k }) }),
    0,
  );
}

/** The weight metrics agree relatively, or where they are under one absolutely; null with null. */
export function expectMetrics(
  found: PairMetrics,
  expected: PairMetrics,
  tolerance: number,
  names: readonly string[] = WEIGHT_METRICS,
): void {
  for (const name of names) {
    const [one, other] = [found[name]!.value, expected[name]!.value];
    if (one === null || other === null) {
      expect([name, one], JSON.stringify(found[name])).toEqual([name, other]);
    } else {
      expect(Math.abs(one - other), `${name}: ${one}, ${other}`).toBeLessThanOrEqual(
        tolerance * Math.max(1, Math.abs(other)),
      );
    }
  }
}
