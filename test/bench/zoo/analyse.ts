import { Gate } from '../../../src/fingerprint/gate.js';
import type { Program, Solution } from '../../../src/fingerprint/program.js';
import { SolverPool } from '../../../src/fingerprint/solver-pool.js';
import { MergeguardError } from '../../../src/tensors/index.js';
import { analyseMethod, type MethodAnalysis, type MethodOptions, openTable } from './analyse-method.js';
import { equalSampleGains } from './equal-samples.js';
import { mostFragile, withoutTasks } from './fragile.js';
import { type MethodFigures, methodFigures } from './method-figures.js';
import type { ZooReport } from './zoo-report.js';
import type { ZooTable } from './zoo-table.js';

export { reportJson } from './report-json.js';
export { reportLines } from './report-lines.js';
export type { ZooReport } from './zoo-report.js';

export interface AnalyseOptions {
  /** default penalties on weights in place of chosen ones; defaults to false */
  readonly quick?: boolean;
  /** that solve programs; defaults to 2 */
  readonly threads?: number;
  /** of the bootstrap over tasks; defaults to 2000 */
  readonly resamples?: number;
  /** how programs are solved; defaults to worker threads */
  readonly solve?: (program: Program) => Promise<Solution>;
  /** told before every merge method of every table; `done` of `total` are finished */
  readonly onProgress?: (progress: { done: number; total: number; label: string }) => void;
}

const FRAGILE = 2;
const RELABELLINGS = 20;

/**
 * What predicts the result of a real merge, per merge method and leaving one task out: SCIENCE.md 7 measured again.
 *
 * @param tables one a seed
 * @throws MergeguardError where there is no table, or one lacks a merge method of another
 */
export async function analyse(tables: readonly ZooTable[], options: AnalyseOptions = {}): Promise<ZooReport> {
  const methods = sharedMethods(tables);
  const { quick = false, threads = 2, resamples = 2000 } = options;
  const pool = options.solve === undefined ? new SolverPool({ threads }) : null;
  const settings: MethodOptions = {
    fits: {
      solve: options.solve ?? ((program) => (pool as SolverPool).solve(program)),
      gate: new Gate(4 * threads),
      onFit: () => {},
    },
    penalties: quick ? 'default' : 'nested',
    relabellings: RELABELLINGS,
  };
  const left = tables.map((table) => ({ seed: table.seed, tasks: mostFragile(table, FRAGILE) }));
  const robust = tables.map((table, i) => withoutTasks(table, left[i].tasks));
  const total = 2 * tables.length * methods.length;
  let done = 0;
  const figuresFor = async (some: readonly ZooTable[], what: string) => {
    const opened = some.map((table) => openTable(table, settings));
    const figures: Record<string, MethodFigures> = {};
    const all: MethodAnalysis[] = [];
    for (const method of methods) {
      const analyses = [];
      for (const table of opened) {
        options.onProgress?.({ done, total, label: `${method}, seed ${table.seed}${what}` });
        analyses.push(await analyseMethod(table, method));
        done++;
      }
      figures[method] = methodFigures(analyses, resamples);
      all.push(...analyses);
    }
    return { methods: figures, together: equalSampleGains(all, resamples) };
  };
  try {
    return {
      seeds: tables.map(({ seed }) => seed),
      penalties: settings.penalties,
      relabellings: settings.relabellings,
      resamples,
      pairs: Math.max(...tables.map((table) => table.pairs.length)),
      ...(await figuresFor(tables, '')),
      withoutFragile: { left, ...(await figuresFor(robust, ', without the most fragile tasks')) },
    };
  } finally {
    await pool?.close();
  }
}

function sharedMethods(tables: readonly ZooTable[]): readonly string[] {
  if (tables.length === 0) {
    throw new MergeguardError('there is no table to analyse: run the zoo benchmark with at least one seed');
  }
  const [first] = tables;
  for (const { seed, methods } of tables) {
    if ([...methods].sort().join() !== [...first.methods].sort().join()) {
      throw new MergeguardError(
        `the tables have different merge methods: ${first.methods.join(', ')} in seed ${first.seed}, ` +
          `${methods.join(', ')} in seed ${seed}; run all seeds with the same ones`,
      );
    }
  }
  return first.methods;
}
