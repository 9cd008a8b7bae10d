import { MergeguardError } from '../tensors/errors.js';

/** Thrown by everything that needs a device that is gone, and with it the tensors on it. */
export class DeviceLostError extends MergeguardError {
  override name = 'DeviceLostError';
}

/**
 * What a device says by itself, outside of any call: that it is lost, out of memory, or was asked for something that it can not do.
 * Only webgpu devices speak like this; the others throw.
 */
export interface DeviceError {
  readonly kind: 'lost' | 'out-of-memory' | 'validation' | 'internal';
  /** names the device */
  readonly message: string;
}

export type DeviceErrorListener = (error: DeviceError) => void;

const listeners = new Set<DeviceErrorListener>();
/** Texts may name what differs each time. */
const MOST_WARNED = 100;
/** Said as warnings of the process, so that the same trouble on every step is said once. */
const warned = new Set<string>();

/**
 * Calls the listener for every error of a device from now on. While nobody listens, errors are warnings of the process.
 * @param listener must not throw
 * @returns a function that ends it
 */
export function onDeviceError(listener: DeviceErrorListener): () => void {
  // The same function twice counts twice.
  const own: DeviceErrorListener = (error) => listener(error);
  listeners.add(own);
  return () => listeners.delete(own);
}

/** For backends: tells everybody who listens. */
export function reportDeviceError(error: DeviceError): void {
  for (const listener of [...listeners]) {
    listener(error);
  }
  if (listeners.size === 0 && !warned.has(error.message) && warned.size < MOST_WARNED) {
    warned.add(error.message);
    process.emitWarning(error.message, 'MergeguardDeviceWarning');
  }
}
