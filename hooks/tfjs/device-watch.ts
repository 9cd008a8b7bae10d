import { type DeviceError, onDeviceError } from '../../src/backend/index.js';

/** An alert of the hook. */
export interface DeviceAlert {
  readonly level: 'warning' | 'error';
  readonly title: string;
  readonly text: string;
  readonly evidence: Record<string, never>;
}

/** Different errors that are told. */
const MOST_TOLD = 5;

/**
 * Tells of errors that a device reports outside of any call: its loss once, for all parts of the guard, and what it could not do, which
 * leaves wrong values behind. Memory that it lacks is for whoever can give some back.
 * @returns a function that ends it
 */
export function watchDevice(tell: (alert: DeviceAlert) => void): () => void {
  const told = new Set<string>();
  return onDeviceError((error) => {
    if (error.kind !== 'out-of-memory' && !told.has(error.message) && told.size < MOST_TOLD) {
      told.add(error.message);
      tell(alertOf(error));
    }
  });
}

function alertOf({ kind, message: text }: DeviceError): DeviceAlert {
  return kind === 'lost'
    ? { level: 'error', title: 'The device was lost; nothing is watched any more', text, evidence: {} }
    : {
        level: 'warning',
        title: 'The device reports an error; values since then may be wrong',
        text,
        evidence: {},
      };
}
