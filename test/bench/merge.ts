import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { MERGE_METHODS } from '../../src/merging/index.js';
import { makePool } from './metrics/pool.js';

/**
 * What merging two checkpoints of ViT-B/16's shapes (85.8 M parameters, 343 MB each) costs by every method, against copying the two
 * files and writing one. Every measurement is a process of its own; the first pass over the files is not counted, so that all of
 * them read from memory, and every written file is synced. `npm run bench:merge [-- --runs N --methods a,b --dir FOLDER]`: N
 * rounds (5) of the copy and every quick method in turn, of which the medians are shown; methods that decompose matrices run once.
 */
const RUNS = Number(option('--runs') ?? 5);
const methods = option('--methods')?.split(',') ?? MERGE_METHODS.map(({ name }) => name);
const keep = option('--dir');
const folder = keep ?? mkdtempSync(join(tmpdir(), 'bench-merge-'));
mkdirSync(folder, { recursive: true });

interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly megabytes: number | null;
}

console.log(`node ${process.version}, ${cpus().length} cores (${cpus()[0]!.model})`);
try {
  const { base, models } = await makePool(folder, 2);
  const measure = (what: string): Cost => {
    const out = join(folder, 'out.safetensors');
    const child = ['--import', 'tsx', 'test/bench/merge-child.ts', what, base, out, ...models];
    const cost = JSON.parse(execFileSync(process.execPath, child, { encoding: 'utf8' })) as Cost;
    rmSync(out);
    return cost;
  };
  const isSlow = (id: string) =>
    MERGE_METHODS.some(({ name, decomposes }) => decomposes && name === id.split('@')[0]);
  const quick = ['copy', ...methods.filter((id) => !isSlow(id))];
  const costs = new Map<string, Cost[]>(quick.map((what) => [what, []]));
  measure('copy');
  console.log(`load average ${loadavg()[0]!.toFixed(1)} before`);
  for (let run = 0; run < RUNS; run++) {
    for (const what of quick) {
      costs.get(what)!.push(measure(what));
    }
  }
  console.log(`load average ${loadavg()[0]!.toFixed(1)} after\n`);
  for (const id of methods.filter(isSlow)) {
    costs.set(id, [measure(id)]);
  }
  const copy = median(costs.get('copy')!.map(({ seconds }) => seconds));
  row('', 'seconds', 'of copy', 'CPU s', 'peak MB');
  for (const [what, found] of costs) {
    const seconds = median(found.map((cost) => cost.seconds));
    row(
      what === 'copy' ? 'copy two files, write one' : what,
      seconds.toFixed(2),
      (seconds / copy).toFixed(2),
      median(found.map(({ cpu }) => cpu)).toFixed(2),
      String(Math.max(...found.map(({ megabytes }) => megabytes ?? Number.NaN))),
    );
  }
} finally {
  if (keep === undefined) {
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(what: string, ...cells: string[]): void {
  console.log(`  ${what.padEnd(28)}${cells.map((cell) => cell.padStart(10)).join('')}`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
