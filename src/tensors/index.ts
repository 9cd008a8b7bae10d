export { type Adapter, isAdapter, openAdapter, type WholeTensor } from './adapter.js';
export type { AdaptedMatrix, LowRankFactors } from './adapter-matrix.js';
export { BaseHash, baseIdentity, identityOrder } from './base-identity.js';
export { canonicalName, canonicalNames } from './canonical-name.js';
export { type Checkpoint, openCheckpoint, readCheckpoint, readNamedTensors } from './checkpoint.js';
export {
  type CompareOptions,
  compareTensors,
  formatShape,
  matchTensors,
  type NameMap,
  type Shapes,
  shapesOf,
  type TensorMatch,
} from './compare-tensors.js';
export { type Dtype, elementCount, isFloat, type TensorData, toFloat32 } from './dtypes.js';
export { fileProblem, listProblems, MergeguardError, messageOf, problemsOf, someOf } from './errors.js';
export { decodeFloat16, encodeFloat16 } from './float16.js';
export { DEFAULT_HEADS, isHead, isRunningStatistic } from './heads.js';
export {
  type CanonicalVariable,
  canonicalVariable,
  type LayersModelWeights,
  layersModelWeights,
  type MappedWeight,
} from './layers-model.js';
export type { HostTensor, NamedTensors } from './named-tensors.js';
export { nearest } from './nearest.js';
export { permute } from './permute.js';
export { Random } from './random.js';
export {
  parseHeader,
  SafetensorsError,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors-header.js';
export { type SafetensorsParts, writeSafetensorsParts } from './safetensors-parts.js';
export type { LazyTensor, TensorInput, TensorPlace } from './safetensors-plan.js';
export {
  openSafetensors,
  parseSafetensors,
  type SafetensorsContent,
  type SafetensorsFile,
  type Tensor,
  type ValueRange,
} from './safetensors-read.js';
export { encodeSafetensors, writeSafetensors } from './safetensors-write.js';
export { squaredNorm } from './squared-norm.js';
export { taskVector } from './task-vector.js';
