import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type AdapterConfig, readAdapterConfig } from './adapter-config.js';
import { type Skipped, sortKeys } from './adapter-keys.js';
import {
  type AdaptedMatrix,
  adaptedMatrix,
  factorProblems,
  isConvolution,
  readValues,
} from './adapter-matrix.js';
import { isFloat } from './dtypes.js';
import { fileProblem, listProblems, MergeguardError } from './errors.js';
import { openSafetensors, type SafetensorsFile, type ValueRange } from './safetensors-read.js';

const MODEL = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';

export interface WholeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** all values, or a stretch of them, in a fresh array */
  read(range?: ValueRange): Promise<Float32Array | Float64Array>;
}

/** A LoRA adapter; its tensors are read when they are asked for. */
export interface Adapter {
  readonly matrices: readonly AdaptedMatrix[];
  /** tensors that are stored whole, in the place of the base's (modules_to_save, biases) */
  readonly whole: readonly WholeTensor[];
  /** tensors that are neither, by canonical name */
  readonly skipped: readonly Skipped[];
  /** the base as the adapter's config names it */
  readonly baseModel: string | null;
  close(): Promise<void>;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Whether a path is an adapter as PEFT saves it: a folder with its two files, or one of the two. */
export async function isAdapter(path: string): Promise<boolean> {
  if (await isFile(path)) {
    return basename(path) === MODEL || basename(path) === CONFIG;
  }
  return (await isFile(join(path, MODEL))) && (await isFile(join(path, CONFIG)));
}

async function adapterFolder(path: string): Promise<string> {
  let folder: string;
  try {
    folder = (await stat(path)).isDirectory() ? path : dirname(path);
  } catch (error) {
    throw new MergeguardError(`the adapter "${path}" can't be opened: ${fileProblem(error)}`);
  }
  const missing: string[] = [];
  for (const name of [MODEL, CONFIG]) {
    if (!(await isFile(join(folder, name)))) missing.push(name);
  }
  if (missing.length > 0) {
    throw new MergeguardError(
      `the folder "${folder}" holds no ${missing.join(' and no ')}; both are needed, as PEFT's ` +
        'save_pretrained(..., safe_serialization=True) writes them (an adapter_model.bin is not read)',
    );
  }
  return folder;
}

function describe(file: SafetensorsFile, config: AdapterConfig, folder: string, precise: boolean): Adapter {
  const { factors, whole: wholeKeys, skipped, problems } = sortKeys(file.names);
  const matrices: AdaptedMatrix[] = [];
  for (const [name, keys] of factors) {
    if (isConvolution(file, keys)) {
      const reason = `"${keys.A}" is a factor of a convolution, which is not read`;
      skipped.push({ name, reason, lost: true });
      continue;
    }
    const found = factorProblems(file, config, keys);
    problems.push(...found);
    if (found.length === 0) matrices.push(adaptedMatrix(file, config, name, keys, precise));
  }
  const whole: WholeTensor[] = [];
  for (const [name, key] of wholeKeys) {
    const { dtype, shape } = file.info(key);
    if (isFloat(dtype)) {
      whole.push({ name, shape, read: (range) => readValues(file, key, precise, range) });
    } else if (/\.(weight|bias)$/.test(name)) {
      problems.push(`"${key}" is of dtype ${dtype}, not of a floating-point one`);
    } else {
      skipped.push({ name, reason: `"${key}" is of dtype ${dtype}: a buffer, not weights`, lost: true });
    }
  }
  if (factors.size === 0 && whole.length === 0) {
    problems.push(`it holds no lora_A, lora_B or other weights (of ${file.names.length} tensors)`);
  }
  if (problems.length > 0) {
    const heading = `the adapter in "${folder}" can't be read; write it again with PEFT's save_pretrained():`;
    throw new MergeguardError(listProblems(heading, problems));
  }
  return { matrices, whole, skipped, baseModel: config.baseModel, close: () => file.close() };
}

/**
 * Opens a LoRA adapter as PEFT saves it, by its folder or by one of its two files. Names are canonical ones of
 * the base's tensors.
 * @param precise values as float64; else float32
 * @throws MergeguardError for another kind of adapter, and with every problem of its tensors at once
 */
export async function openAdapter(path: string, precise = false): Promise<Adapter> {
  const folder = await adapterFolder(path);
  const config = await readAdapterConfig(join(folder, CONFIG));
  const file = await openSafetensors(join(folder, MODEL));
  try {
    return describe(file, config, folder, precise);
  } catch (error) {
    await file.close();
    throw error;
  }
}
