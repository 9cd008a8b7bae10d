import { canWriteAs, DTYPE_SIZE, type Dtype, dtypeOf, elementCount, type TensorData } from './dtypes.js';
import { listProblems } from './errors.js';
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

/** A tensor that is written elsewhere: its values come in parts. */
export interface TensorPlace {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

type Plannable = TensorInput | LazyTensor | TensorPlace;

export interface Planned<Input> {
  readonly name: string;
  readonly dtype: Dtype;
  readonly input: Input;
  /** where its bytes lie in the file */
  readonly begin: number;
  readonly end: number;
}

function inputProblems(tensors: ReadonlyMap<string, Plannable>): string[] {
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

export function valueProblems(name: string, { shape, data, dtype }: TensorInput): string[] {
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

/**
 * The header with its length field, and the tensors in file order: widest dtype first, so that all are aligned.
 * @throws SafetensorsError with every tensor that no file can hold
 */
export function plan<Input extends Plannable>(
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
  const offsets: (readonly [number, number])[] = [];
  let begin = 0;
  for (const { name, input, dtype } of order) {
    const end = begin + elementCount(input.shape) * DTYPE_SIZE[dtype];
    const entry = { dtype, shape: input.shape, data_offsets: [begin, end] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offsets.push([begin, end]);
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
  const planned = order.map((each, at) => {
    const [from, to] = offsets[at]!;
    return { ...each, begin: header.length + from, end: header.length + to };
  });
  return { header, order: planned };
}
