import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareAll, compareWith } from '../../src/at-rest/index.js';
import { type BackendChoice, openBackend } from '../../src/backend/index.js';
import { METRICS } from '../../src/metrics/index.js';
import { type Cost, costOf } from './metrics/memory.js';
import { makePool } from './metrics/pool.js';
import { lapackSeconds, pairFromScratch } from './metrics/scratch.js';
import { tickCurve } from './tick-curve.js';

/**
 * What the metrics cost at real size: a pool of synthetic models of ViT-B/16's shapes (85.8 M parameters), references made once, all
 * pairs from them, one new model scored, against doing every pair from scratch; what float16 does to every metric; what a
 * tick costs on the device. `npm run bench:metrics [-- --models N --dir FOLDER --no-ticks]`: 20 models take 7.3 GB in FOLDER (a
 * temporary one by default) and about 20 minutes on two cores.
 */
const MODELS = Number(option('--models') ?? 20);
const keep = option('--dir');
const folder = keep ?? mkdtempSync(join(tmpdir(), 'bench-metrics-'));
mkdirSync(folder, { recursive: true });

console.log(`node ${process.version}, ${cpus().length} cores (${cpus()[0]!.model})`);
try {
  await atRest();
} finally {
  if (keep === undefined) {
    rmSync(folder, { recursive: true, force: true });
  }
}
if (!process.argv.includes('--no-ticks')) {
  await openBackend((option('--backend') ?? 'auto') as BackendChoice);
  await tickCurve();
}

async function atRest(): Promise<void> {
  const { base, models } = await makePool(folder, MODELS);
  const pairs = (MODELS * (MODELS - 1)) / 2;
  console.log(
    `\n${MODELS} models of ViT-B/16's shapes, ${pairs} pairs; every command is a process of its own\n`,
  );
  row('', 'seconds', 'peak MB');
  const references = models.map((path) => path.replace('model-', 'reference-'));
  const made: Cost[] = [];
  for (const [m, model] of models.entries()) {
    made.push(
      await costOf('reference', 'make', '--base', base, '--model', model, '--out', references[m]!, '--force'),
    );
  }
  const makeSeconds = sum(made.map(({ seconds }) => seconds));
  row('one reference, slow lane included (mean)', makeSeconds / MODELS, largest(made));
  const all = await costOf('matrix', '--json', ...references);
  row(`all ${pairs} pairs from the references`, all.seconds, all.megabytes);
  row('  one pair', all.seconds / pairs);
  const fresh = ['score', models[1]!, '--base', base, '--reference', references[0]!, '--json'];
  const fast = await costOf(...fresh, '--no-slow');
  row('score of a checkpoint, one reference, without the slow lane', fast.seconds, fast.megabytes);
  const slow = [await costOf(...fresh), await costOf(...fresh.with(1, models[2]!))];
  row(
    '  with the slow lane (mean of two models)',
    sum(slow.map(({ seconds }) => seconds)) / 2,
    largest(slow),
  );
  const precise = await costOf(...fresh, '--precise');
  row('  precise', precise.seconds, precise.megabytes);

  const scratch = [
    await pairFromScratch(base, [models[0]!, models[1]!]),
    await pairFromScratch(base, [models[1]!, models[2]!]),
  ];
  const onePair = sum(scratch) / scratch.length;
  row('one pair from scratch, two full SVDs a matrix (mean of two pairs)', onePair);
  const ours = makeSeconds + all.seconds;
  row(`all ${pairs} pairs from scratch (extrapolated from two)`, pairs * onePair);
  row(`all ${pairs} pairs by references`, ours);
  console.log(`  ${((pairs * onePair) / ours).toFixed(1)} times less wall time`);
  const lapack = await lapackSeconds();
  if (lapack === null) {
    console.log('  (numpy is not installed: no comparison with LAPACK)');
  } else {
    row('SVDs alone of all pairs by LAPACK, float32 (extrapolated from one a shape)', pairs * 2 * lapack);
    console.log(`  ${((pairs * 2 * lapack) / ours).toFixed(1)} times less wall time than those`);
  }
  await halves(base, models.slice(0, 3));
}

/** The largest relative change of every metric when references store their task vectors in float16. */
async function halves(base: string, models: readonly string[]): Promise<void> {
  const paths = models.map((model) => model.replace('model-', 'half-'));
  for (const [m, model] of models.entries()) {
    await costOf(
      'reference',
      'make',
      '--base',
      base,
      '--model',
      model,
      '--out',
      paths[m]!,
      '--dtype',
      'F16',
      '--force',
    );
  }
  const full = await compareAll(models, { base });
  const half = await compareAll(paths, { base });
  const one = await compareWith(models[0]!, [paths[1]!], { base });
  console.log(
    '\nfloat16 task vectors: relative change, both references (worst of 3 pairs), and one checkpoint against one',
  );
  for (const { name } of METRICS) {
    const exact = full.pairs.map(({ metrics }) => metrics[name]!.value);
    const changes = half.pairs.map(({ metrics }, p) => relative(metrics[name]!.value, exact[p]!));
    if (exact[0] !== null) {
      console.log(
        `  ${name.padEnd(46)} ${Math.max(...changes).toExponential(1)}   ${relative(one.pairs[0]!.metrics[name]!.value, exact[0]!).toExponential(1)}`,
      );
    }
  }
}

function relative(value: number | null, exact: number | null): number {
  return value === null || exact === null ? Number.NaN : Math.abs(value - exact) / Math.abs(exact);
}

function row(what: string, seconds: number | string, megabytes: number | string | null = ''): void {
  const time = typeof seconds === 'number' ? seconds.toFixed(seconds < 10 ? 2 : 1) : seconds;
  console.log(`  ${what.padEnd(72)} ${time.padStart(9)} ${String(megabytes ?? '–').padStart(8)}`);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function largest(costs: readonly Cost[]): number | null {
  return costs.every(({ megabytes }) => megabytes !== null)
    ? Math.max(...costs.map(({ megabytes }) => megabytes as number))
    : null;
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
