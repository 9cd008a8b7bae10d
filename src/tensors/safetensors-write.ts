import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import {
  canWriteAs,
  DTYPE_SIZE,
  type Dtype,
  dtypeOf,
  elementCount,
  encodeData,
  type TensorData,
} from './dtypes.js';
import { listProblems, MergeguardError, messageOf } from './errors.js';
import { MAX_HEADER_BYTES, SafetensorsError } from './safetensors-header.js';

export interface TensorInput {
  /** defaults to the dtype of the array; F16 and BF16 take a Float32Array, BOOL a Uint8Array */
  readonly dtype?: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A tensor whose values are made when it is their turn to be written: one at a time is in memory. */
export interface LazyTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  load(): Promise<TensorData>;
}

interface Planned<Input> {
  readonly name: string;
  readonly dtype: Dtype;
  readonly input: Input;
}

function inputProblems(tensors: ReadonlyMap<string, TensorInput | LazyTensor>): string[] {
  const problems: string[] = [];
  for (const [name, input] of tensors) {
    if (name === '__metadata__') {
      problems.push('no tensor can be called "__metadata__"');
    }
    if (!input.shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      problems.push(`tensor "${name}" has the shape [${input.shape.join(', ')}]`);
    } else if ('data' in input) {
      problems.push(...valueProblems(name, input));
    }
  }
  return problems;
}

function valueProblems(name: string, { shape, data, dtype }: TensorInput): string[] {
  const problems: string[] = [];
  if (elementCount(shape) !== data.length) {
    problems.push(
      `tensor "${name}" is [${shape.join(', ')}], ${elementCount(shape)} values, but has ${data.length}`,
    );
  }
  if (dtype !== undefined && !canWriteAs(data, dtype)) {
    problems.push(`tensor "${name}" can't be written as ${dtype} from a ${data.constructor.name}`);
  }
  return problems;
}

/** The header with its length field, and the tensors in file order: widest dtype first, so that all are aligned. */
function plan<Input extends TensorInput | LazyTensor>(
  tensors: ReadonlyMap<string, Input>,
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; order: Planned<Input>[] } {
  const problems = inputProblems(tensors);
  if (problems.length > 0) {
    throw new SafetensorsError(listProblems("these tensors can't be written:", problems));
  }
  const order = [...tensors].map(([name, input]) => ({
    name,
    input,
    dtype: 'data' in input ? (input.dtype ?? dtypeOf(input.data)) : input.dtype,
  }));
  order.sort((a, b) => DTYPE_SIZE[b.dtype] - DTYPE_SIZE[a.dtype] || (a.name < b.name ? -1 : 1));
  const entries: string[] = [];
  if (Object.keys(metadata).length > 0) {
    entries.push(`"__metadata__":${JSON.stringify(metadata)}`);
  }
  let begin = 0;
  for (const { name, input, dtype } of order) {
    const end = begin + elementCount(input.shape) * DTYPE_SIZE[dtype];
    const entry = { dtype, shape: input.shape, data_offsets: [begin, end] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    begin = end;
  }
  const text = new TextEncoder().encode(`{${entries.join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new SafetensorsError(
      `the header of these ${order.length} tensors takes ${length} bytes, over the cap of ${MAX_HEADER_BYTES}; write fewer tensors or less metadata to a file`,
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return { header, order };
}

/**
 * A safetensors file in memory.
 * @throws SafetensorsError with every tensor whose shape, values and dtype disagree
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorInput>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, order } = plan(tensors, metadata);
  const size = order.reduce(
    (sum, { input, dtype }) => sum + input.data.length * DTYPE_SIZE[dtype],
    header.length,
  );
  const bytes = new Uint8Array(size);
  bytes.set(header, 0);
  let at = header.length;
  for (const { input, dtype } of order) {
    const part = encodeData(input.data, dtype);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Writes a safetensors file, tensor by tensor, under a temporary name and renames it when it is complete: a
 * reader sees the old file or the new one, never half of one.
 * @throws SafetensorsError for tensors that can't be written or a path that can't be written to; what a `load`
 * throws is passed on
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorInput | LazyTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { header, order } = plan(tensors, metadata);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(header);
      for (const { name, input, dtype } of order) {
        await handle.writeFile(encodeData(await valuesOf(name, input, dtype), dtype));
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof MergeguardError
      ? error
      : new SafetensorsError(`"${path}" can't be written: ${messageOf(error)}`);
  }
}

async function valuesOf(name: string, input: TensorInput | LazyTensor, dtype: Dtype): Promise<TensorData> {
  if ('data' in input) {
    return input.data;
  }
  const data = await input.load();
  const problems = valueProblems(name, { shape: input.shape, data, dtype });
  if (problems.length > 0) {
    throw new SafetensorsError(listProblems("this tensor can't be written:", problems));
  }
  return data;
}
