import { serveThread } from '../threads/index.js';
import type { TensorToMerge } from './merge-method.js';
import { mergeMethod } from './registry.js';

export interface MergeJob {
  /** id of the configured merge */
  readonly id: string;
  readonly tensor: TensorToMerge;
  /** what the method's survey has found, or null */
  readonly known: unknown;
}

/** The thread's side of MergePool. */
serveThread(
  ({ id, tensor, known }: MergeJob): Float32Array => {
    const { method, parameters } = mergeMethod(id);
    return method.mergeTensor(tensor, parameters, known);
  },
  ({ buffer }) => [buffer as ArrayBuffer],
);
