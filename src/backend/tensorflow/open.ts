import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { messageOf } from '../../tensors/errors.js';
import { checkOneCore } from '../one-core.js';
import { type Binding, loadTensorflow, provideLegacyUtil } from './load.js';
import { takePaddingByNumbers } from './padding.js';
import { backendFolder, readInstalled } from './place.js';
import { takeShortcuts } from './shortcuts.js';

export const TENSORFLOW_ADVICE =
  'install it by `mergeguard backend install tensorflow --from-wheel FILE` with the file that `pip download --no-deps tensorflow-cpu` brings ' +
  '(for CUDA see docs/tensorflow.md)';

/** What somebody may have installed, with the libtensorflow that its own install script downloaded. */
const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
/** The driver has a folder for each GPU here. */
const GPUS = '/proc/driver/nvidia/gpus';

/** A process loads but one libtensorflow. */
let opened: { description: string } | undefined;
/** Where the one that this module has registered comes from; it stays registered where it can not be opened. */
let registeredFrom: string | undefined;

/**
 * Registers the backend `tensorflow`: what `mergeguard backend install tensorflow` built, else an installed tfjs-node as it is. One
 * that the program has loaded itself stays.
 *
 * @returns the version of libtensorflow, CPU or GPU, and where it comes from, for people
 * @throws Error with one line that says why there is none
 */
export async function openTensorflow(): Promise<{ description: string }> {
  if (opened === undefined) {
    if (tf.findBackendFactory('tensorflow') == null) {
      registeredFrom = await register();
    }
    const from = registeredFrom ?? 'loaded by the program';
    provideLegacyUtil();
    takePaddingByNumbers();
    takeShortcuts();
    const { binding } = tf.findBackend('tensorflow') as unknown as { binding: Binding };
    const device = binding.isUsingGpuDevice() ? gpuName() : 'CPU';
    opened = { description: `libtensorflow ${binding.TF_Version}, ${device}, ${from}` };
  }
  return opened;
}

/** Returns where it comes from. */
async function register(): Promise<string> {
  const folder = backendFolder();
  const installed = readInstalled(folder);
  if (installed === null) {
    return importPackage(folder);
  }
  const from = installed.from.endsWith('.whl') ? basename(installed.from) : installed.from;
  try {
    loadTensorflow(folder);
    return `of ${from}`;
  } catch (error) {
    throw new Error(
      `libtensorflow ${installed.version} of ${installed.from} does not load (if it has moved, install it again from there): ${messageOf(error)}`,
    );
  }
}

async function importPackage(folder: string): Promise<string> {
  const require = createRequire(import.meta.url);
  for (const name of PACKAGES) {
    let path: string;
    try {
      path = require.resolve(`${name}/package.json`);
    } catch {
      continue;
    }
    checkOneCore(path);
    provideLegacyUtil();
    try {
      await import(name);
      return `of ${name}`;
    } catch (error) {
      throw new Error(`${name} does not load: ${messageOf(error).split('\n')[0].trim()}`);
    }
  }
  throw new Error(`nothing is installed in ${folder}, nor are ${PACKAGES.join(' and ')}`);
}

/** "GPU NVIDIA H200", of several that are alike or not. */
function gpuName(): string {
  try {
    const models = readdirSync(GPUS).map(
      (gpu) => /^Model:\s*(.+)$/m.exec(readFileSync(join(GPUS, gpu, 'information'), 'utf8'))?.[1] ?? '',
    );
    return ['GPU', [...new Set(models.filter(Boolean))].join(' or ')].join(' ').trim();
  } catch {
    // a container need not show it
    return 'GPU';
  }
}
