import { type DenseMatrix, type PartsOptions, spectralParts } from '../spectral/index.js';
import { serveThread } from '../threads/index.js';
import { type BlockSums, blockSums, type IndexPair } from './block-sums.js';
import type { Values } from './named-checkpoint.js';

/** What a thread is asked: to decompose a matrix, or to sum over one stretch of task vectors. */
export type Job =
  | { readonly kind: 'parts'; readonly matrix: DenseMatrix; readonly options: PartsOptions }
  | { readonly kind: 'sums'; readonly vectors: readonly Values[]; readonly pairs: readonly IndexPair[] };

export type Answer = ReturnType<typeof spectralParts> | BlockSums;

/** The thread's side of Workers. */
serveThread((job: Job): Answer => {
  return job.kind === 'parts' ? spectralParts(job.matrix, job.options) : blockSums(job.vectors, job.pairs);
});
