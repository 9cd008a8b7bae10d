/**
 * TensorFlow functions as its C API takes them: a FunctionDef in protobuf's wire format, as much of it as is needed here. Field
 * numbers are those of tensorflow/core/framework/{function,op_def,node_def,attr_value,tensor,tensor_shape}.proto.
 */

/** of DataType */
const [FLOAT, INT32] = [1, 3];
const TENSOR = { float: FLOAT, int: INT32 } as const;

type Bytes = readonly number[];

function varint(value: number): Bytes {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

function number(field: number, value: number): Bytes {
  return [...varint(8 * field), ...varint(value)];
}

function message(field: number, ...parts: readonly Bytes[]): Bytes {
  const body = parts.flat();
  return [...varint(8 * field + 2), ...varint(body.length), ...body];
}

function text(field: number, value: string): Bytes {
  return message(field, [...Buffer.from(value)]);
}

function entry(field: number, key: string, value: Bytes): Bytes {
  return message(field, text(1, key), value);
}

/** An attribute's value. */
export const attribute = {
  float: number(6, FLOAT),
  int: number(6, INT32),
  flag: (value: boolean): Bytes => number(5, value ? 1 : 0),
  count: (value: number): Bytes => number(3, value),
};

/** Writes down a function of float32 tensors, in order of use; nodes are known by what they return. */
export class FunctionWriter {
  readonly #name: string;
  readonly #inputs: Bytes[] = [];
  readonly #nodes: Bytes[] = [];
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The next argument. */
  input(type: keyof typeof TENSOR = 'float'): string {
    const name = `input${this.#inputs.length}`;
    this.#inputs.push(message(2, text(1, name), number(3, TENSOR[type])));
    return name;
  }

  /** @param output the operation's own name of its (only) output */
  node(
    operation: string,
    inputs: readonly string[],
    output: string,
    attributes: Record<string, Bytes> = {},
  ): string {
    const name = `node${this.#count}`;
    this.#count += 1;
    this.#nodes.push(
      message(
        3,
        text(1, name),
        text(2, operation),
        ...inputs.map((input) => text(3, input)),
        ...Object.entries(attributes).map(([key, value]) => entry(5, key, message(2, value))),
      ),
    );
    return `${name}:${output}:0`;
  }

  integers(values: readonly number[]): string {
    return this.#constant(INT32, new Int32Array(values), [values.length]);
  }

  integer(value: number): string {
    return this.#constant(INT32, new Int32Array([value]), []);
  }

  number(value: number): string {
    return this.#constant(FLOAT, new Float32Array([value]), []);
  }

  numbers(values: readonly number[]): string {
    return this.#constant(FLOAT, new Float32Array(values), [values.length]);
  }

  #constant(type: number, values: Int32Array | Float32Array, shape: readonly number[]): string {
    const dimensions = shape.map((size) => message(2, number(1, size)));
    const tensor = message(
      8,
      number(1, type),
      message(2, ...dimensions),
      message(4, [...new Uint8Array(values.buffer)]),
    );
    return this.node('Const', [], 'output', { dtype: number(6, type), value: tensor });
  }

  /** The whole function, which returns these; XLA compiles it when it is first called, or its operations run one by one. */
  returning(results: readonly string[], isCompiled: boolean): Buffer {
    const signature = message(
      1,
      text(1, this.#name),
      ...this.#inputs,
      ...results.map((_, r) => message(3, text(1, `result${r}`), number(3, FLOAT))),
    );
    const returned = results.map((result, r) => entry(4, `result${r}`, text(2, result)));
    const compiled = entry(5, '_XlaMustCompile', message(2, attribute.flag(isCompiled)));
    return Buffer.from([signature, ...this.#nodes, ...returned, compiled].flat());
  }
}
