export {
  type DeviceError,
  type DeviceErrorListener,
  DeviceLostError,
  onDeviceError,
} from './device-errors.js';
export { answerMs, deviceDone, isAsynchronous } from './device-wait.js';
export { releaseFreeMemory } from './free-memory.js';
export { type DeviceRates, measureDevice } from './measure-device.js';
export { type DeviceMemory, deviceMemory } from './memory.js';
export { checkLoadedCores } from './one-core.js';
export {
  BACKEND_NAMES,
  type BackendChoice,
  type BackendName,
  describeBackend,
  type OpenedBackend,
  openBackend,
  type Survey,
  surveyBackends,
} from './open.js';
export { isOutOfMemory } from './out-of-memory.js';
export { foldBytes, referenceMemoryBytes, tapMemoryBytes, tickBytes } from './tap-cost.js';
export { DEFINE_FUNCTION } from './tensorflow/functions-source.js';
