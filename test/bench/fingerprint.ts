import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { fitReport } from '../../src/cli/fit-report.js';
import {
  FEATURES,
  type Fingerprint,
  featureSets,
  fitFingerprint,
  parseTable,
  scorePair,
} from '../../src/fingerprint/index.js';

/**
 * What a fingerprint reaches on the published tables of arXiv 2601.22285 (in ../shared, else a folder given last), and
 * what it costs: `npm run bench:fingerprint [-- --quick] [FOLDER]`. Five merge methods, every subset of the metrics,
 * nested penalties and 20 relabellings; with --quick the default penalties and 5. Exit code 1 where a bound is broken.
 */
const METHODS = ['weight_avg', 'task_arithmetic', 'tsv', 'ties', 'dare'];
const TARGETS = ['acc', 'normalized_acc'] as const;
const TABLES = ['vit-b-16-adamw', 'vit-b-32-adamw'];

const quick = process.argv.includes('--quick');
const given = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
const folder = given ?? fileURLToPath(new URL('../../../shared/data/published', import.meta.url));
if (!existsSync(folder)) {
  console.error(`there is no ${folder}; give the folder of the published tables`);
  process.exit(1);
}
console.log(
  `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), node ${process.version}, ${quick ? 'quick' : 'full'} fits`,
);

const fitted = new Map<string, Fingerprint>();
let slowest = 0;
for (const table of TABLES) {
  for (const target of TARGETS) {
    const text = readFileSync(`${folder}/${table}.csv`, 'utf8');
    const { rows, metrics } = parseTable(text, { target });
    let fits = 0;
    const start = performance.now();
    const fingerprint = await fitFingerprint(rows, {
      name: table,
      target,
      methods: METHODS,
      featureSets: featureSets('all', metrics) ?? {},
      penalties: quick ? 'default' : 'nested',
      relabellings: quick ? 5 : 20,
      gradientKind: 'calibration',
      provenance: { architecture: 'CLIP', optimiser: 'AdamW', source: table },
      pool: { threads: availableParallelism() },
      onProgress: ({ total }) => {
        fits = total;
      },
    });
    const seconds = (performance.now() - start) / 1000;
    slowest = Math.max(slowest, seconds);
    fitted.set(`${table} ${target}`, fingerprint);
    console.log(`${table} ${target.padEnd(14)} ${fits} fits in ${seconds.toFixed(0)} s`);
  }
}

let broken = false;
function line(what: string, value: number, least: number, most: number, digits: number): void {
  const fine = value >= least && value <= most;
  broken ||= !fine;
  const bound =
    most === Number.POSITIVE_INFINITY ? `>= ${least}` : least === 0 ? `<= ${most}` : `${least} to ${most}`;
  console.log(
    `  ${what.padEnd(48)} ${value.toFixed(digits).padStart(8)}   ${bound}${fine ? '' : '   BROKEN'}`,
  );
}

const BOUNDS = {
  'vit-b-16-adamw': { acc: 0.6, normalized_acc: 0.56, mae: { weight_avg: 2.1, tsv: 1.4, ties: 5.7 } },
  'vit-b-32-adamw': { acc: 0.69, normalized_acc: 0.59, mae: { weight_avg: 2.3, tsv: 1.6, ties: 5.8 } },
} as const;
for (const [table, bounds] of Object.entries(BOUNDS)) {
  const report = (target: string) => fitReport(fitted.get(`${table} ${target}`) as Fingerprint);
  const raw = report('acc');
  const normalised = report('normalized_acc');
  const value = (figure: number | null) => figure ?? Number.NaN;
  console.log(`\n${table}, mean of ${METHODS.join(', ')}`);
  line('metrics only, raw accuracy, r in fold', value(raw.mean.metricsOnly.r), bounds.acc, Infinity, 3);
  line(
    'metrics only, normalised accuracy, r in fold',
    value(normalised.mean.metricsOnly.r),
    bounds.normalized_acc,
    Infinity,
    3,
  );
  line('with effects, normalised accuracy, r in fold', value(normalised.mean.full.r), 0.88, Infinity, 3);
  line('with effects, raw accuracy, r in fold', value(raw.mean.full.r), 0.97, Infinity, 3);
  line(
    'coverage of the nominal 80 % interval, normalised',
    value(normalised.mean.full.coverage80),
    0.76,
    0.84,
    3,
  );
  line('coverage of the nominal 80 % interval, raw', value(raw.mean.full.coverage80), 0.76, 0.84, 3);
  for (const [method, most] of Object.entries(bounds.mae)) {
    line(
      `mean absolute error, points, ${method}`,
      100 * value(normalised.methods[method]?.full.mae ?? null),
      0,
      most,
      2,
    );
  }
  console.log(
    '  method            metrics r   effects r   full r   full mae  effects mae   held   null r (95 %)',
  );
  for (const [method, figures] of Object.entries(normalised.methods)) {
    const { metricsOnly, effectsOnly, full } = figures;
    console.log(
      `  ${method.padEnd(16)}  ${value(metricsOnly.r).toFixed(3).padStart(9)}  ${value(effectsOnly.r).toFixed(3).padStart(10)}` +
        `  ${value(full.r).toFixed(3).padStart(7)}  ${(100 * value(full.mae)).toFixed(2).padStart(9)}  ${(100 * value(effectsOnly.mae)).toFixed(2).padStart(11)}` +
        `  ${value(full.coverage80).toFixed(3).padStart(5)}   ${value(figures.null.meanR).toFixed(2)} (${value(figures.null.r95).toFixed(2)})`,
    );
  }
}

console.log('\ncost');
line('longest fit of one table, seconds', slowest, 0, quick ? 300 : 1200, 0);
line('scores of one tick, 8 references x 6 methods, ms', scoringMs(), 0, 1, 3);
process.exitCode = broken ? 1 : 0;

/** Median over 200 ticks, every metric present, three merge probes a method. */
function scoringMs(): number {
  const fingerprint = fitted.get('vit-b-16-adamw normalized_acc') as Fingerprint;
  const { methods, provenance } = fingerprint;
  const sixth = { ...fingerprint, methods: { ...methods, isotropic: methods.tsv as never } };
  const names = [...METHODS, 'isotropic'];
  const references = [...provenance.tasks.slice(0, 7), 'unknown'];
  const metrics = Object.fromEntries(FEATURES.map((name, i) => [name, { value: 0.1 * i }]));
  const probes = references
    .slice(0, 3)
    .map((reference) => ({ reference, difference: 0.02, samplingVariance: 0.001 }));
  const gradientKinds = { live: 'calibration', reference: 'calibration' };
  const times: number[] = [];
  for (let tick = 0; tick < 200; tick++) {
    const start = performance.now();
    for (const reference of references) {
      for (const method of names) {
        scorePair(sixth, { method, metrics, reference, gradientKinds, selfProbe: null, probes });
      }
    }
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[100] as number;
}
