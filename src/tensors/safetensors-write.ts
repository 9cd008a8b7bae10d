import { type Dtype, encodeData, type TensorData } from './dtypes.js';
import { listProblems } from './errors.js';
import { SafetensorsError } from './safetensors-header.js';
import { writeSafetensorsParts } from './safetensors-parts.js';
import { type LazyTensor, plan, type TensorInput, valueProblems } from './safetensors-plan.js';

/**
 * A safetensors file in memory.
 * @throws SafetensorsError with every tensor whose shape, values and dtype disagree
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorInput>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, order } = plan(tensors, metadata);
  const bytes = new Uint8Array(order.at(-1)?.end ?? header.length);
  bytes.set(header, 0);
  for (const { input, dtype, begin } of order) {
    bytes.set(encodeData(input.data, dtype), begin);
  }
  return bytes;
}

/**
 * Writes a safetensors file, tensor by tensor, as `writeSafetensorsParts` does.
 * @throws SafetensorsError for tensors that can't be written or a path that can't be written to; what a `load`
 * throws is passed on
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorInput | LazyTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  return writeSafetensorsParts(path, tensors, metadata, async (file) => {
    for (const { name, input, dtype } of file.order) {
      await file.write(name, await valuesOf(name, input, dtype));
    }
  });
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
