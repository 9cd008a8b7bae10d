import { type AdapterConfig, configuredRank, configuredScale } from './adapter-config.js';
import type { FactorKeys } from './adapter-keys.js';
import { formatShape } from './compare-tensors.js';
import { isFloat } from './dtypes.js';
import type { SafetensorsFile, ValueRange } from './safetensors-read.js';

/** Values of an adapter's tensor: float64 where they are asked for precisely. */
type Values = Float32Array | Float64Array;

/** The delta of one adapted matrix, [m, n] of rank r, is left right; it is never multiplied out here. */
export interface LowRankFactors {
  /** [m, r], the scale folded in */
  readonly left: Values;
  /** [r, n] */
  readonly right: Values;
  readonly rank: number;
}

export interface AdaptedMatrix {
  /** canonical name of the base's tensor, e.g. model.layers.0.self_attn.q_proj.weight */
  readonly name: string;
  /**
   * [m, n] as the base's tensor lies in PyTorch: [out, in]; [in, out] with fan_in_fan_out (GPT-2's Conv1D);
   * [vocabulary, dimension] of an embedding. PEFT keeps one fan_in_fan_out for all modules: of a model that has
   * both layouts some shapes come out the wrong way round, so compare them with the base's.
   */
  readonly shape: readonly [number, number];
  readonly rank: number;
  read(): Promise<LowRankFactors>;
}

/** Whether both factors are there and not matrices: those of a convolution have its kernel's axes. */
export function isConvolution(file: SafetensorsFile, { A, B }: FactorKeys): boolean {
  return A !== undefined && B !== undefined && file.info(A).shape.length > 2;
}

/** What keeps two factors, A [r, in] and B [out, r], from being a low-rank delta. */
export function factorProblems(file: SafetensorsFile, config: AdapterConfig, keys: FactorKeys): string[] {
  const { A, B, module } = keys;
  if (A === undefined || B === undefined) {
    return [`"${A ?? B}" is there without the lora_${A === undefined ? 'A' : 'B'} that goes with it`];
  }
  const problems: string[] = [];
  for (const key of [A, B]) {
    const { dtype } = file.info(key);
    if (!isFloat(dtype)) problems.push(`"${key}" is of dtype ${dtype}, not of a floating-point one`);
  }
  const [a, b] = [file.info(A).shape, file.info(B).shape];
  const shapes = `"${A}" is ${formatShape(a)} and "${B}" ${formatShape(b)}`;
  if (a.length !== 2 || b.length !== 2 || a[0] !== b[1]) {
    problems.push(`${shapes}; they should be [rank, in] and [out, rank]`);
    return problems;
  }
  const { rank, from } = configuredRank(config, module);
  if (a[0] !== rank) {
    problems.push(`${shapes}, of rank ${a[0]}; the config says ${rank} (${from})`);
  }
  return problems;
}

/** `tensor` [rows, columns] as [columns, rows], of the same precision. */
function transpose(tensor: Values, rows: number, columns: number): Values {
  const result =
    tensor instanceof Float64Array ? new Float64Array(tensor.length) : new Float32Array(tensor.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      result[j * rows + i] = tensor[i * columns + j]!;
    }
  }
  return result;
}

/** Values of one tensor, or of a stretch of it, in a fresh array. */
export function readValues(
  file: SafetensorsFile,
  key: string,
  precise: boolean,
  range?: ValueRange,
): Promise<Values> {
  return precise ? file.readFloat64(key, range) : file.readFloat32(key, range);
}

/** The adapted matrix of two factors without problems. */
export function adaptedMatrix(
  file: SafetensorsFile,
  config: AdapterConfig,
  name: string,
  { A, B, embedding, module }: FactorKeys,
  precise: boolean,
): AdaptedMatrix {
  const [rank, width] = file.info(A!).shape as [number, number];
  const height = file.info(B!).shape[0]!;
  const scale = configuredScale(config, module, rank);
  // Those tensors of the base lie the other way round, and (B A)^T = A^T B^T.
  const flipped = embedding || config.fanInFanOut;
  return {
    name,
    shape: flipped ? [width, height] : [height, width],
    rank,
    read: async () => {
      const a = await readValues(file, A!, precise);
      const b = await readValues(file, B!, precise);
      const left = flipped ? transpose(a, rank, width) : b;
      for (let i = 0; i < left.length; i++) {
        left[i]! *= scale;
      }
      return { left, right: flipped ? transpose(b, height, rank) : a, rank };
    },
  };
}
