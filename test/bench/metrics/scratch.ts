import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { blockSums } from '../../../src/at-rest/block-sums.js';
import { NamedCheckpoint } from '../../../src/at-rest/named-checkpoint.js';
import type { DenseMatrix } from '../../../src/spectral/index.js';
import { mapWithin, ThreadPool } from '../../../src/threads/index.js';

/** Seconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/**
 * One pair from scratch, as the study's code does it: both task vectors read and subtracted, their sums, and a full singular value
 * decomposition of either side of every matrix, in as many threads as there are cores. Seconds.
 */
export async function pairFromScratch(basePath: string, paths: readonly [string, string]): Promise<number> {
  const module = new URL('./scratch-worker', import.meta.url).href;
  const threads = availableParallelism();
  const pool = new ThreadPool<DenseMatrix, number>({ module, threads });
  const [base, ...models] = await Promise.all(
    [basePath, ...paths].map((path) => NamedCheckpoint.open(path, false)),
  );
  try {
    return await timed(async () => {
      const names = [...base!.shapes];
      await mapWithin(names, { budget: threads, weight: () => 1 }, async ([name, shape]) => {
        const from = await base!.read(name);
        const taus = await Promise.all(
          models.map(
            async (model) => (await model.read(name)).map((value, i) => value - from[i]!) as Float32Array,
          ),
        );
        blockSums(taus, [[0, 1]]);
        if (shape.length === 2) {
          const [rows, columns] = shape as [number, number];
          await Promise.all(
            taus.map((data) =>
              pool.run({ rows, columns, data }, { label: name, transfer: [data.buffer as ArrayBuffer] }),
            ),
          );
        }
      });
    });
  } finally {
    await pool.close();
    await Promise.all([base!, ...models].map((model) => model.close()));
  }
}

const NUMPY = `
import time, numpy
total = 0.0
for rows, columns, count in ((2304, 768, 12), (768, 768, 12), (3072, 768, 12), (768, 3072, 12)):
    a = numpy.random.default_rng(0).standard_normal((rows, columns)).astype("f")
    numpy.linalg.svd(a, full_matrices=False)
    start = time.perf_counter()
    numpy.linalg.svd(a, full_matrices=False)
    total += count * (time.perf_counter() - start)
print(total)
`;

/** Seconds that LAPACK (numpy, float32) takes over the full decompositions of one ViT-B/16; null where numpy is not there. */
export async function lapackSeconds(): Promise<number | null> {
  try {
    const { stdout } = await promisify(execFile)('python3', ['-c', NUMPY]);
    return Number(stdout.trim());
  } catch {
    return null;
  }
}
