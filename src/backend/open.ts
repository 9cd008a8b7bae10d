import * as tf from '@tensorflow/tfjs';
import { listProblems, MergeguardError } from '../tensors/errors.js';
import { checkLoadedCores } from './one-core.js';
import { correctPoolGradients } from './pool-gradients.js';
import { openTensorflow, TENSORFLOW_ADVICE } from './tensorflow/open.js';
import { registerWasmKernels } from './wasm-kernels.js';

export const BACKEND_NAMES = ['tensorflow', 'webgpu', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];
export type BackendChoice = BackendName | 'auto';

export interface OpenedBackend {
  readonly name: BackendName;
  /** library or adapter, for people */
  readonly description: string;
  /** backends tried before this one, and why they did not open */
  readonly rejected: readonly {
    readonly name: BackendName;
    readonly reason: string;
    readonly advice: string;
  }[];
}

interface OpenOptions {
  /** whether a software adapter will do */
  readonly takesSoftware: boolean;
}

interface Opener {
  /** loads and initialises; returns a description; throws where it can't */
  open(options: OpenOptions): Promise<{ description: string }>;
  /** what to install or do where it does not open */
  readonly advice: string;
}

const OPENERS: Record<BackendName, Opener> = {
  tensorflow: {
    open: openTensorflow,
    advice: TENSORFLOW_ADVICE,
  },
  webgpu: {
    open: openWebgpu,
    advice:
      'install a Vulkan, Metal or D3D12 driver for your GPU (on Linux with its loader, Debian: libvulkan1), and the npm package webgpu',
  },
  wasm: { open: openWasm, advice: 'reinstall @tensorflow/tfjs-backend-wasm' },
  cpu: { open: openCpu, advice: 'reinstall @tensorflow/tfjs' },
};

/**
 * Opens a tfjs backend and makes it the active one. `auto` takes the first that opens of tensorflow, webgpu
 * (hardware adapters only), wasm, cpu. Throws a MergeguardError when the one asked for is unknown or
 * does not open, or the program has loaded a second tfjs-core.
 */
export async function openBackend(choice: BackendChoice = 'auto'): Promise<OpenedBackend> {
  if (choice !== 'auto' && !BACKEND_NAMES.includes(choice)) {
    throw new MergeguardError(`backend "${choice}" is unknown; known are auto, ${BACKEND_NAMES.join(', ')}`);
  }
  checkLoadedCores();
  const candidates: readonly BackendName[] = choice === 'auto' ? BACKEND_NAMES : [choice];
  const rejected: { name: BackendName; reason: string; advice: string }[] = [];
  for (const name of candidates) {
    try {
      const { description } = await activate(name, { takesSoftware: choice !== 'auto' });
      return { name, description, rejected };
    } catch (error) {
      rejected.push({ name, reason: firstLine(error), advice: OPENERS[name].advice });
    }
  }
  throw new MergeguardError(
    listProblems(
      `backend ${choice} does not open here (\`mergeguard doctor\` shows which do):`,
      rejected.map(({ name, reason, advice }) => `${name}: ${reason}; ${advice}`),
    ),
  );
}

const descriptions = new Map<string, string>();

/** What the active backend is, library or adapter, for people; undefined where it was not opened by `openBackend`. */
export function describeBackend(): string | undefined {
  return descriptions.get(tf.getBackend());
}

/** Loads a backend and makes it the active one. */
async function activate(name: BackendName, options: OpenOptions): Promise<{ description: string }> {
  return withoutNewListeners(async () => {
    const opened = await OPENERS[name].open(options);
    if (!(await tf.setBackend(name))) {
      throw new Error('tfjs could not initialise it');
    }
    await tf.ready();
    descriptions.set(name, opened.description);
    return opened;
  });
}

/**
 * The wasm module makes itself a handler of the process's uncaught errors that throws them again: whatever goes
 * wrong in a user's program would then be printed behind 60 kB of minified source. What is added while it loads
 * is taken away again.
 */
async function withoutNewListeners<Result>(load: () => Promise<Result>): Promise<Result> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set<unknown>(process.listeners(event as 'uncaughtException')));
  try {
    return await load();
  } finally {
    events.forEach((event, index) => {
      for (const listener of process.listeners(event as 'uncaughtException')) {
        // Somebody else may have added theirs meanwhile: emscripten's are known by their text.
        if (!before[index].has(listener) && /ExitStatus|throw reason/.test(String(listener))) {
          process.removeListener(event, listener);
        }
      }
    });
  }
}

async function openWebgpu(options: OpenOptions): Promise<{ description: string }> {
  // Only where it is asked for: the module registers a hundred kernels.
  const webgpu = await import('./webgpu/open.js');
  return webgpu.openWebgpu(options.takesSoftware);
}

async function openWasm(): Promise<{ description: string }> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  registerWasmKernels();
  correctPoolGradients('wasm');
  return { description: `@tensorflow/tfjs-backend-wasm ${wasm.version_wasm}` };
}

async function openCpu(): Promise<{ description: string }> {
  correctPoolGradients('cpu');
  return { description: 'plain JavaScript, for small models and as a last resort' };
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .split('\n')[0]
    .replace(/ imported from .*$/, '')
    .trim();
}

/** Tries every backend in turn; for `mergeguard doctor` and the contract tests. Leaves the best one active. */
export async function surveyBackends(): Promise<Survey[]> {
  const found: Survey[] = [];
  for (const name of BACKEND_NAMES) {
    const advice = OPENERS[name].advice;
    try {
      const { description } = await activate(name, { takesSoftware: true });
      found.push({ name, opens: true, description, advice });
    } catch (error) {
      found.push({ name, opens: false, description: firstLine(error), advice });
    }
  }
  await openBackend('auto');
  return found;
}

export interface Survey {
  readonly name: BackendName;
  readonly opens: boolean;
  /** what it is, or why it does not open */
  readonly description: string;
  readonly advice: string;
}
