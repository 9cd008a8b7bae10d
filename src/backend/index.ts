export { type DeviceError, type DeviceErrorListener, onDeviceError } from './device-errors.js';
export { answerMs, deviceDone, isAsynchronous } from './device-wait.js';
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
