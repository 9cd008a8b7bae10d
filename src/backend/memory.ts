import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';

/** What the active backend's device has in all, whoever uses it. */
export interface DeviceMemory {
  /** null: nobody tells */
  readonly bytes: number | null;
  /** where that is from, for people */
  readonly source: string;
}

/** What all three of tfjs' wasm modules declare as their most. */
const WASM_HEAP = 2 ** 32;
/** A driver that hangs is none. */
const PATIENCE_MS = 5000;
const MIB = 2 ** 20;

/**
 * Of the wasm backend its heap, of backends that compute on the processor the machine's memory (or what the process may take of
 * it), of NVIDIA devices what `nvidia-smi` says. WebGPU itself tells nobody how much memory a device has.
 */
export async function deviceMemory(): Promise<DeviceMemory> {
  const backend = tf.backend() as Partial<{ isUsingGpuDevice: boolean; adapterInfo: { vendor: string } }>;
  switch (tf.getBackend()) {
    case 'wasm':
      return { bytes: WASM_HEAP, source: 'the heap of the wasm backend' };
    case 'tensorflow':
      return backend.isUsingGpuDevice ? nvidiaMemory() : machineMemory();
    case 'webgpu':
      return backend.adapterInfo?.vendor === 'nvidia'
        ? nvidiaMemory()
        : { bytes: null, source: 'WebGPU does not tell how much memory a device has' };
    default:
      return machineMemory();
  }
}

function machineMemory(): DeviceMemory {
  // 0, or more than there is, where nothing limits the process.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem()
    ? { bytes: limit, source: "the process's limit of the machine's memory" }
    : { bytes: totalmem(), source: "the machine's memory" };
}

/** Of the first device in CUDA_VISIBLE_DEVICES, else of the first one that there is. */
export async function nvidiaMemory(environment: NodeJS.ProcessEnv = process.env): Promise<DeviceMemory> {
  const [visible = ''] = (environment.CUDA_VISIBLE_DEVICES ?? '').split(',');
  const chosen = visible.trim() === '' ? [] : [`--id=${visible.trim()}`];
  const query = [...chosen, '--query-gpu=memory.total', '--format=csv,noheader,nounits'];
  try {
    const options = { env: environment, timeout: PATIENCE_MS };
    const { stdout } = await promisify(execFile)('nvidia-smi', query, options);
    const mebibytes = Number(stdout.split('\n')[0]);
    if (mebibytes > 0) {
      return { bytes: mebibytes * MIB, source: 'nvidia-smi' };
    }
    return { bytes: null, source: `nvidia-smi says "${stdout.trim().slice(0, 100)}"` };
  } catch (error) {
    const { message } = error as Error;
    return { bytes: null, source: `nvidia-smi does not say: ${message.split('\n')[0].slice(0, 200)}` };
  }
}
