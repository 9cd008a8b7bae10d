import {
  BACKEND_NAMES,
  type BackendName,
  type DeviceMemory,
  type DeviceRates,
  deviceMemory,
  measureDevice,
  openBackend,
  type Survey,
} from '../../backend/index.js';
import { messageOf } from '../../tensors/errors.js';

/** What was measured on one backend, or why it was not. */
export interface DeviceReport {
  readonly backend: BackendName;
  /** library or adapter */
  readonly description: string;
  readonly rates: DeviceRates | null;
  readonly memory: DeviceMemory | null;
  /** null where it was measured */
  readonly problem: string | null;
}

/**
 * Measures one backend, or all that open and are no last resort: plain JavaScript and software adapters where they are named only.
 * The one that `auto` takes is active afterwards.
 */
export async function measureDevices(
  surveyed: readonly Survey[],
  named: BackendName | undefined,
): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = [];
  for (const name of BACKEND_NAMES) {
    const survey = surveyed.find((each) => each.name === name);
    if (named === undefined ? survey?.opens && !isLastResort(survey) : name === named) {
      reports.push(await measure(name));
    }
  }
  await openBackend('auto');
  return reports;
}

function isLastResort({ name, description }: Survey): boolean {
  return name === 'cpu' || description.endsWith('a software adapter');
}

async function measure(backend: BackendName): Promise<DeviceReport> {
  const { description } = await openBackend(backend);
  try {
    const rates = await measureDevice();
    return { backend, description, rates, memory: await deviceMemory(), problem: null };
  } catch (error) {
    return { backend, description, rates: null, memory: null, problem: messageOf(error) };
  }
}
