import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { canonicalNames } from './canonical-name.js';
import { fileProblem, listProblems } from './errors.js';
import { findDuplicateKeys } from './json-duplicates.js';
import type { HostTensor, NamedTensors } from './named-tensors.js';
import { SafetensorsError, type TensorInfo } from './safetensors-header.js';
import { openSafetensors, type SafetensorsFile, type ValueRange } from './safetensors-read.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** A checkpoint in one file or in shards; single tensors are read when they are asked for. */
export interface Checkpoint {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  info(name: string): TensorInfo;
  /** all values, or a stretch of them; F64 and integers are rounded to float32 */
  readFloat32(name: string, range?: ValueRange): Promise<Float32Array>;
  /** the same as float64 */
  readFloat64(name: string, range?: ValueRange): Promise<Float64Array>;
  /** the bytes of the same, as they lie in the file */
  readBytes(name: string, range?: ValueRange): Promise<Uint8Array>;
  close(): Promise<void>;
}

const indexSchema = z.object({
  metadata: z.record(z.string(), z.unknown()).default({}),
  weight_map: z.record(z.string(), z.string()),
});

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

async function readIndex(path: string): Promise<z.infer<typeof indexSchema>> {
  let parsed: unknown;
  let duplicates: string[];
  try {
    const text = await readFile(path, 'utf8');
    parsed = JSON.parse(text);
    duplicates = findDuplicateKeys(text);
  } catch (error) {
    throw new SafetensorsError(`"${path}" can't be read: ${fileProblem(error)}`);
  }
  if (duplicates.length > 0) {
    const names = duplicates.map((name) => `"${name}" occurs twice`);
    throw new SafetensorsError(listProblems(`"${path}" has names that occur twice:`, names));
  }
  const result = indexSchema.safeParse(parsed);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
    throw new SafetensorsError(listProblems(`"${path}" is not an index of safetensors shards:`, problems));
  }
  return result.data;
}

/** Shards lie beside their index; anything but a plain file name could point out of the folder. */
function isPlainFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[\\/\0:]/.test(name) && name === basename(name);
}

async function openShards(path: string, files: Map<string, SafetensorsFile>): Promise<Checkpoint> {
  const index = await readIndex(path);
  const problems: string[] = [];
  for (const shard of new Set(Object.values(index.weight_map))) {
    if (!isPlainFileName(shard)) {
      problems.push(`the shard "${shard}" is not a file name in the index's own folder`);
      continue;
    }
    try {
      files.set(shard, await openSafetensors(join(dirname(path), shard)));
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
      problems.push(error.message);
    }
  }
  const owners = new Map<string, SafetensorsFile>();
  for (const [name, shard] of Object.entries(index.weight_map)) {
    const file = files.get(shard);
    if (file?.names.includes(name)) {
      owners.set(name, file);
    } else if (file !== undefined) {
      problems.push(`tensor "${name}" should be in "${shard}", which does not hold it`);
    }
  }
  if (problems.length > 0) {
    throw new SafetensorsError(listProblems(`the checkpoint "${path}" is incomplete:`, problems));
  }
  const owner = (name: string): SafetensorsFile => {
    const file = owners.get(name);
    if (file === undefined) {
      throw new SafetensorsError(`"${path}" lists no tensor "${name}" (it lists ${owners.size} others)`);
    }
    return file;
  };
  const metadata = Object.entries(index.metadata).map(([key, value]) => {
    return [key, typeof value === 'string' ? value : JSON.stringify(value)];
  });
  return {
    names: [...owners.keys()],
    metadata: Object.fromEntries(metadata),
    info: (name) => owner(name).info(name),
    readFloat32: async (name, range) => owner(name).readFloat32(name, range),
    readFloat64: async (name, range) => owner(name).readFloat64(name, range),
    readBytes: async (name, range) => owner(name).readBytes(name, range),
    close: () => closeAll(files),
  };
}

async function closeAll(files: Map<string, SafetensorsFile>): Promise<void> {
  await Promise.all([...files.values()].map((file) => file.close()));
}

async function openIndex(path: string): Promise<Checkpoint> {
  const files = new Map<string, SafetensorsFile>();
  try {
    return await openShards(path, files);
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

/**
 * Opens a checkpoint: a `.safetensors` file, an index file of shards, or a folder with `model.safetensors` or
 * `model.safetensors.index.json` (the first of the two that is there). The index decides which tensors there
 * are; what a shard holds beyond it is not part of the checkpoint.
 * @throws SafetensorsError with every missing shard, absent tensor and bad shard name at once
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw new SafetensorsError(`the checkpoint "${path}" can't be opened: ${fileProblem(error)}`);
  }
  if (!isFolder) {
    return path.endsWith('.json') ? openIndex(path) : openSafetensors(path);
  }
  if (await exists(join(path, SINGLE))) {
    return openSafetensors(join(path, SINGLE));
  }
  if (await exists(join(path, INDEX))) {
    return openIndex(join(path, INDEX));
  }
  throw new SafetensorsError(
    `the folder "${path}" holds neither ${SINGLE} nor ${INDEX}; give the file itself if it is called otherwise`,
  );
}

/** Every tensor of a checkpoint in PyTorch's layout, by canonical name. */
export async function readNamedTensors(checkpoint: Checkpoint): Promise<NamedTensors> {
  const canonical = canonicalNames(checkpoint.names);
  const tensors = new Map<string, HostTensor>();
  for (const [at, name] of checkpoint.names.entries()) {
    const data = await checkpoint.readFloat32(name);
    tensors.set(canonical[at]!, { shape: checkpoint.info(name).shape, data });
  }
  return tensors;
}

/** The same of the checkpoint at a path, which is open only meanwhile. */
export async function readCheckpoint(path: string): Promise<NamedTensors> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await readNamedTensors(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
