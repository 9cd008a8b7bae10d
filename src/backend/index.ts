export {
  BACKEND_NAMES,
  type BackendChoice,
  type BackendName,
  type OpenedBackend,
  openBackend,
  type Survey,
  surveyBackends,
} from './open.js';
