import { type AdapterConfig, configuredRank, configuredScale } from './adapter-config.js';
import type { FactorKeys } from './adapter-keys.js';
import { formatShape } from './compare-tensors.js';
import { isFloat } from './dtypes.js';
import { permute } from './permute.js';
import type { SafetensorsFile } from './safetensors-read.js';

/** The delta of one adapted matrix, [m, n] of rank r, is left right; it is never multiplied out here. */
export interface LowRankFactors {
  /** [m, r], the scale folded in */
  readonly left: Float32Array;
  /** [r, n] */
  readonly right: Float32Array;
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
  readonly scale: number;
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

/** `tensor` [rows, columns] as [columns, rows]. */
function transpose(tensor: Float32Array, rows: number, columns: number): Float32Array {
  return permute(tensor, [rows, columns], [1, 0]);
}

/** The adapted matrix of two factors without problems. */
export function adaptedMatrix(
  file: SafetensorsFile,
  config: AdapterConfig,
  name: string,
  { A, B, embedding, module }: FactorKeys,
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
    scale,
    read: async () => {
      const a = await file.readFloat32(A!);
      const b = await file.readFloat32(B!);
      const left = flipped ? transpose(a, rank, width) : b;
      for (let i = 0; i < left.length; i++) {
        left[i]! *= scale;
      }
      return { left, right: flipped ? transpose(b, height, rank) : a, rank };
    },
  };
}
