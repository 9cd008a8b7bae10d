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
const QUERY = ['--query-gpu=memory.total', '--format=csv,noheader,nounits'];

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
      // tfjs-node computes on the last one that it sees.
      return backend.isUsingGpuDevice ? nvidiaMemory((cards) => cards.at(-1)!) : machineMemory();
    case 'webgpu':
      // Which of several it is can't be told.
      return backend.adapterInfo?.vendor === 'nvidia'
        ? nvidiaMemory((cards) => Math.min(...cards), { ...process.env, CUDA_VISIBLE_DEVICES: '' })
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

/**
 * Of the devices in CUDA_VISIBLE_DEVICES, else of all that there are.
 * @param choose gives what counts of the MiB of each, at least one
 */
export async function nvidiaMemory(
  choose: (cards: readonly number[]) => number,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<DeviceMemory> {
  const visible = (environment.CUDA_VISIBLE_DEVICES ?? '').replaceAll(' ', '');
  const options = { env: environment, timeout: PATIENCE_MS };
  const cards: number[] = [];
  try {
    // One call a device: nvidia-smi lists several in an order of its own.
    for (const id of visible === '' ? [null] : visible.split(',')) {
      const query = [...(id === null ? [] : [`--id=${id}`]), ...QUERY];
      const { stdout } = await promisify(execFile)('nvidia-smi', query, options);
      const found = stdout.trim().split('\n').map(Number);
      if (!found.every((mebibytes) => mebibytes > 0)) {
        return { bytes: null, source: `nvidia-smi says "${stdout.trim().slice(0, 100)}"` };
      }
      cards.push(...found);
    }
    return { bytes: choose(cards) * MIB, source: 'nvidia-smi' };
  } catch (error) {
    const { message } = error as Error;
    return { bytes: null, source: `nvidia-smi does not say: ${message.split('\n')[0].slice(0, 200)}` };
  }
}
