import { copyFile, open, rm } from 'node:fs/promises';
import { mergeFiles } from '../../src/at-rest/index.js';
import { mergeMethod } from '../../src/merging/index.js';
import { peakOf } from './metrics/memory.js';

/**
 * One thing that the merge benchmark measures, in a process of its own: `copy` or a merge id, then the base, the output and the
 * models. Prints seconds and peak resident memory in MB as JSON; loading the program is not in the seconds.
 */
const [what, base, out, ...models] = process.argv.slice(2) as [string, string, string, ...string[]];

/** Bytes that are written at a time where nothing is computed. */
const PIECE = 8 << 20;

const start = performance.now();
if (what === 'copy') {
  await copyAndWrite();
} else {
  await mergeFiles({ base, models, merge: mergeMethod(what), out });
}
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage();
// Not resourceUsage's, which begins with what the parent had.
const megabytes = peakOf(process.pid);
console.log(JSON.stringify({ seconds, cpu: (user + system) / 1e6, megabytes }));

/** Copies the models as `cp` does and writes one more file of that size; each is synced to the disk, as a merged model is. */
async function copyAndWrite(): Promise<void> {
  const copies = models.map((_, m) => `${out}.${m}`);
  for (const [m, model] of models.entries()) {
    await copyFile(model, copies[m]!);
    const copy = await open(copies[m]!, 'r+');
    await copy.sync();
    await copy.close();
  }
  const file = await open(out, 'w');
  const piece = Buffer.alloc(PIECE, 1);
  const source = await open(models[0]!, 'r');
  const { size } = await source.stat();
  await source.close();
  for (let at = 0; at < size; at += PIECE) {
    await file.write(piece, 0, Math.min(PIECE, size - at), at);
  }
  await file.sync();
  await file.close();
  await Promise.all(copies.map((path) => rm(path)));
}
