import { openReference, type ReferenceFile } from '../reference/index.js';
import type { SpectralParts } from '../spectral/index.js';
import type { ModelAtRest } from './model.js';

/** A reference file: task vector and decompositions are stored. */
export async function openReferenceModel(path: string, name: string): Promise<ModelAtRest> {
  const file = await openReference(path);
  const { description } = file;
  return {
    name,
    path,
    kind: 'reference',
    task: description.name,
    shapes: new Map(description.tensors.map((tensor) => [tensor.name, tensor.shape])),
    excluded: [],
    baseHash: description.baseHash,
    form: (tensor) =>
      file.has('tau', tensor) ? 'dense' : file.has('tau_left', tensor) ? 'low-rank' : 'zero',
    tau: async (tensor, range) => (await file.read('tau', tensor, range)).data as Float32Array,
    weights: () => null,
    async factors(tensor) {
      const left = await file.read('tau_left', tensor);
      const right = await file.read('tau_right', tensor);
      const [rank] = right.shape as [number, number];
      return { rank, left: left.data as Float32Array, right: right.data as Float32Array };
    },
    storedParts: (tensor) => storedParts(file, tensor),
    close: () => file.close(),
  };
}

async function storedParts(file: ReferenceFile, tensor: string): Promise<SpectralParts | null | undefined> {
  // Version 1 had no bottoms: what it has says too little.
  if (file.version < 2) {
    return undefined;
  }
  if (!file.has('left', tensor)) {
    return null;
  }
  const values = async (part: string) =>
    Float64Array.from((await file.read(part, tensor)).data as Float32Array);
  return {
    k: file.info('left', tensor).shape[1]!,
    left: await values('left'),
    right: await values('right'),
    values: await values('spectrum'),
    bottom: file.has('bottom', tensor) ? await values('bottom') : null,
  };
}
