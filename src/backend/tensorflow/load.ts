import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { checkOneCore } from '../one-core.js';
import { BINDING } from './place.js';
import { SOURCES } from './sources.js';

/** Of the native module. */
export interface Binding {
  /** of libtensorflow: "2.21.0" */
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}

/**
 * Registers the backend `tensorflow` out of a folder that the install made. tfjs-node's own entry would look for the binding in its
 * package and make the backend the active one.
 *
 * @throws Error where the library does not load
 */
export function loadTensorflow(folder: string): Binding {
  const file = join(folder, SOURCES, 'package.json');
  // named otherwise than require: these files are not mergeguard's own, whose imports are checked
  const load = createRequire(file);
  checkOneCore(file);
  provideLegacyUtil();
  // TensorFlow's news, a line per device and per instruction set, are for its own developers; warnings and errors stay.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1';
  const binding = load(join(folder, BINDING)) as Binding;
  const { NodeJSKernelBackend } = load('./dist/nodejs_kernel_backend.js') as {
    NodeJSKernelBackend: new (binding: Binding, packageName: string) => tf.KernelBackend;
  };
  const { nodeFileSystemRouter } = load('./dist/io/file_system.js') as {
    nodeFileSystemRouter: Parameters<typeof tf.io.registerLoadRouter>[0];
  };
  load('./dist/register_all_kernels.js');
  // By the package's name it knows which convolutions there are.
  const name = binding.isUsingGpuDevice() ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, name), 3);
  tf.io.registerLoadRouter(nodeFileSystemRouter);
  tf.io.registerSaveRouter(nodeFileSystemRouter);
  return binding;
}

/** tfjs-node 4.22 calls util.isNullOrUndefined and util.isArray, which later Node.js warn of (22) or lack (23). */
export function provideLegacyUtil(): void {
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  legacy.isArray = Array.isArray;
}
