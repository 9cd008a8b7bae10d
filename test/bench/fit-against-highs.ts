import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  featureSets,
  fitFingerprint,
  type Program,
  parseTable,
  type Solution,
  solveProgram,
} from '../../src/fingerprint/index.js';
import { highsObjective, loadHighs } from '../fingerprint/highs.js';

/**
 * Is every program of one full fit solved right? Nested penalties, every subset of the metrics, 20 relabellings, each
 * program solved by javascript-lp-solver and by HiGHS: `npm run bench:highs [-- TABLE.csv]`, by default the published
 * table of ViT-B/32. About 35,000 programs, a quarter of an hour on one core; `--methods ties,dare` for some of the merge
 * methods, `--programs 500` to stop after so many. Exit code 1 where objectives differ by more than 1e-6.
 */
const MOST = 1e-6;
const published = '../../../shared/data/published/vit-b-32-adamw.csv';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    methods: { type: 'string', default: 'weight_avg,task_arithmetic,tsv,ties,dare' },
    programs: { type: 'string', default: 'Infinity' },
  },
});
const path = positionals[0] ?? fileURLToPath(new URL(published, import.meta.url));
const limit = Number(values.programs);
if (!existsSync(path) || !(limit > 0)) {
  console.error(`there is no table ${path}, or --programs ${values.programs} is not a number above 0`);
  process.exit(1);
}

const highs = await loadHighs();
const { rows, metrics } = parseTable(readFileSync(path, 'utf8'), { target: 'normalized_acc', path });
const worst = { difference: 0, label: 'none' };
let programs = 0;
let ourMs = 0;
let highsMs = 0;
let broken = 0;
class Enough extends Error {}

async function solve(program: Program): Promise<Solution> {
  if (programs >= limit) {
    throw new Enough();
  }
  const start = performance.now();
  const solution = solveProgram(program);
  const between = performance.now();
  const expected = highsObjective(highs, program);
  programs++;
  ourMs += between - start;
  highsMs += performance.now() - between;
  const difference = Math.abs(solution.objective - expected);
  if (difference > worst.difference) {
    Object.assign(worst, { difference, label: program.label });
  }
  broken += difference <= MOST ? 0 : 1;
  if (programs % 1000 === 0) {
    console.log(`${programs} programs, at ${program.label}`);
  }
  return solution;
}

console.log(`${path}\n${cpus()[0]?.model.trim()}, node ${process.version}, HiGHS ${highs.version.string}`);
try {
  await fitFingerprint(rows, {
    name: 'bench',
    target: 'normalized_acc',
    methods: values.methods.split(','),
    featureSets: featureSets('all', metrics) ?? {},
    gradientKind: 'calibration',
    provenance: { architecture: 'bench', optimiser: 'bench', source: path },
    solve,
  });
} catch (error) {
  if (!(error instanceof Enough)) {
    throw error;
  }
}
console.log(`${programs} programs, each solved twice`);
console.log(`largest difference of objectives ${worst.difference.toExponential(1)} (${worst.label})`);
console.log(`mean time ${(ourMs / programs).toFixed(1)} ms, HiGHS ${(highsMs / programs).toFixed(1)} ms`);
console.log(broken === 0 ? 'fine' : `BROKEN: ${broken} differ by more than ${MOST}`);
process.exitCode = broken === 0 ? 0 : 1;
