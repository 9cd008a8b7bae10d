import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, Random, writeSafetensors } from '../../../src/tensors/index.js';

/** Names and shapes of a ViT-B/16 without its head: 150 tensors, 85.8 M parameters. */
export const VIT_B_16 = vitShapes(768, 12);

function vitShapes(width: number, blocks: number): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>([
    ['cls_token', [1, 1, width]],
    ['pos_embed', [1, 197, width]],
    ['patch_embed.proj.weight', [width, 3, 16, 16]],
    ['patch_embed.proj.bias', [width]],
  ]);
  for (let i = 0; i < blocks; i++) {
    for (const [name, shape] of Object.entries({
      'norm1.weight': [width],
      'norm1.bias': [width],
      'attn.qkv.weight': [3 * width, width],
      'attn.qkv.bias': [3 * width],
      'attn.proj.weight': [width, width],
      'attn.proj.bias': [width],
      'norm2.weight': [width],
      'norm2.bias': [width],
      'mlp.fc1.weight': [4 * width, width],
      'mlp.fc1.bias': [4 * width],
      'mlp.fc2.weight': [width, 4 * width],
      'mlp.fc2.bias': [width],
    })) {
      shapes.set(`blocks.${i}.${name}`, shape);
    }
  }
  shapes.set('norm.weight', [width]);
  shapes.set('norm.bias', [width]);
  return shapes;
}

/** Directions that a task vector has beside noise, each four fifths as strong as the one before. */
const DIRECTIONS = 16;

/**
 * A pool of synthetic models of one base in `folder`: base.safetensors, model-0.safetensors, ...; files that are there already are
 * kept. Task matrices are sixteen directions over noise, about as long as fine-tuning makes them.
 */
export async function makePool(folder: string, models: number): Promise<{ base: string; models: string[] }> {
  const base = new Map<string, HostTensor>();
  for (const [name, shape] of VIT_B_16) {
    base.set(name, { shape, data: noise(['base', name], sizeOf(shape), 0.03) });
  }
  await write(join(folder, 'base.safetensors'), async () => base);
  const paths: string[] = [];
  for (let m = 0; m < models; m++) {
    const path = join(folder, `model-${m}.safetensors`);
    await write(
      path,
      async () => new Map([...base].map(([name, tensor]) => [name, fineTuned(name, tensor, m)])),
    );
    paths.push(path);
  }
  return { base: join(folder, 'base.safetensors'), models: paths };
}

async function write(path: string, tensors: () => Promise<Map<string, HostTensor>>): Promise<void> {
  try {
    await access(path);
  } catch {
    await writeSafetensors(path, await tensors());
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Triangular noise: cheaper than normal numbers, of which a pool would need billions. */
function noise(seed: readonly (string | number)[], length: number, deviation: number): Float32Array {
  const random = new Random(...seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    values[i] = (random.uniform() + random.uniform() - 1) * deviation * Math.sqrt(6);
  }
  return values;
}

function fineTuned(name: string, { shape, data }: HostTensor, model: number): HostTensor {
  const values = noise([model, name], data.length, 5e-4);
  if (shape.length === 2) {
    const [rows, columns] = shape as [number, number];
    const left = noise([model, name, 'left'], rows * DIRECTIONS, 0.01);
    const right = noise([model, name, 'right'], DIRECTIONS * columns, 0.01);
    for (let i = 0; i < rows; i++) {
      for (let d = 0; d < DIRECTIONS; d++) {
        const factor = left[i * DIRECTIONS + d]! * 0.8 ** d;
        for (let j = 0; j < columns; j++) {
          values[i * columns + j]! += factor * right[d * columns + j]!;
        }
      }
    }
  }
  for (let i = 0; i < values.length; i++) {
    values[i]! += data[i]!;
  }
  return { shape, data: values };
}
