import { listProblems, MergeguardError } from '../tensors/index.js';
import { checksumOf } from './checksum.js';
import type { Program } from './program.js';
import {
  FILE_VERSION,
  type Fingerprint,
  type FingerprintContent,
  FORMAT,
  isGradientMetric,
  type MethodFingerprint,
} from './schema.js';
import { fitSelfProbe, selfProbeExamples, selfProbePrograms } from './self-probe.js';
import { type PoolOptions, SolverPool } from './solver-pool.js';
import { checkTable, isDirected, type NumberedRow, sizeProblem, type TableRow, tasksOf } from './table.js';
import { fitVariant, planVariant, type VariantOptions, variantPrograms } from './variant.js';

type GradientKind = 'ema' | 'calibration' | null;

export interface FitOptions {
  readonly name: string;
  readonly target: 'normalized_acc';
  /** merge methods; defaults to every one that has an outcome in the table */
  readonly methods?: readonly string[];
  /** variants by name, each a subset of metrics that a stream may offer, e.g. `weights` */
  readonly featureSets: Readonly<Record<string, readonly string[]>>;
  /** price of one unit of weight in units of mean absolute error, both standardised; defaults to 0.003 */
  readonly penalty?: number;
  /** nominal coverage of a score's interval; defaults to 0.8 */
  readonly level?: number;
  /** of the live model's gradients in the table; null where no feature set has gradient metrics */
  readonly gradientKind: GradientKind;
  /** of the references' gradients; defaults to `gradientKind` */
  readonly referenceGradientKind?: GradientKind;
  /** s of base + s tau that the table's self-probes were taken at; defaults to 0.5 */
  readonly selfProbeScale?: number;
  /** relabellings of the null; defaults to 5, 0 leaves it out */
  readonly relabellings?: number;
  readonly provenance: { readonly architecture: string; readonly optimiser: string; readonly source: string };
  readonly pool?: PoolOptions;
  readonly onProgress?: (progress: { done: number; total: number; label: string }) => void;
}

/** Name of the variant without metrics, which every method has. */
export const EFFECTS = 'effects';

/**
 * Fits a fingerprint: for every merge method and feature set one linear program with task effects, its LOTO
 * figures next to the effects-only baseline and the relabelling null, and conformal intervals.
 *
 * @throws MergeguardError for a table or options that can't be fitted, or a program that can't be solved
 */
export async function fitFingerprint(rows: readonly TableRow[], options: FitOptions): Promise<Fingerprint> {
  checkTable(rows);
  const methods = options.methods ?? [...new Set(rows.flatMap((row) => outcomesOf(row)))];
  const numbered = rows.map((row, id) => ({ ...row, id }));
  checkOptions(numbered, methods, options);

  const pool = new SolverPool(options.pool);
  let done = 0;
  let total = 0;
  const settings: VariantOptions = {
    directed: isDirected(rows),
    penalty: options.penalty ?? 0.003,
    level: options.level ?? 0.8,
    seeds: Array.from({ length: options.relabellings ?? 5 }, (_, seed) => seed),
    solve: async (program: Program) => {
      const solution = await pool.solve(program);
      done++;
      options.onProgress?.({ done, total, label: program.label });
      return solution;
    },
  };
  try {
    const jobs = methods.map((method) => planMethod(numbered, method, options, settings));
    total = jobs.reduce((sum, job) => sum + job.programs, 0);
    const fitted: Record<string, MethodFingerprint> = {};
    for (const job of jobs) {
      fitted[job.method] = await job.fit();
    }
    const content: FingerprintContent = {
      format: FORMAT,
      version: FILE_VERSION,
      name: options.name,
      target: options.target,
      level: settings.level,
      gradientKinds: {
        live: options.gradientKind,
        reference: options.referenceGradientKind ?? options.gradientKind,
      },
      methods: fitted,
      provenance: {
        architecture: options.provenance.architecture,
        optimiser: options.provenance.optimiser,
        source: options.provenance.source,
        rows: rows.length,
        tasks: tasksOf(rows),
        directed: settings.directed,
        tableHash: checksumOf(rows),
        penalty: settings.penalty,
        seeds: [...settings.seeds],
      },
    };
    return { ...content, checksum: checksumOf(content) };
  } finally {
    await pool.close();
  }
}

/** What is to be fitted for one method, with the number of programs that it takes. */
function planMethod(
  rows: readonly NumberedRow[],
  method: string,
  { featureSets, selfProbeScale = 0.5 }: FitOptions,
  settings: VariantOptions,
) {
  const plans = Object.entries({ ...featureSets, [EFFECTS]: [] })
    .map(([name, features]) => planVariant(name, method, rows, features))
    .sort((a, b) => b.features.length - a.features.length);
  const probed = selfProbeExamples(rows, method);
  return {
    method,
    programs: plans.reduce(
      (sum, plan) => sum + variantPrograms(plan, settings),
      selfProbePrograms(probed, settings.directed),
    ),
    fit: async (): Promise<MethodFingerprint> => {
      const selfProbe = await fitSelfProbe(probed, { method, scale: selfProbeScale, ...settings });
      const variants = [];
      for (const plan of plans) {
        variants.push(await fitVariant(plan, settings, selfProbe?.heldOut ?? null));
      }
      // The one that did best on tasks it had not seen is asked first; without metrics only where nothing else can be.
      variants.sort(
        (a, b) => Number(a.name === EFFECTS) - Number(b.name === EFFECTS) || a.loto.mae - b.loto.mae,
      );
      return {
        rows: rows.filter((row) => typeof row.outcomes[method] === 'number').length,
        selfProbe: selfProbe?.fit ?? null,
        variants,
      };
    },
  };
}

function checkOptions(rows: readonly NumberedRow[], methods: readonly string[], options: FitOptions): void {
  const problems: string[] = [];
  const known = [...new Set(rows.flatMap((row) => Object.keys(row.outcomes)))];
  if (methods.length === 0) {
    problems.push('the table has no outcome of any merge method');
  }
  for (const method of methods) {
    if (!known.includes(method)) {
      problems.push(`merge method ${method} is not in the table; there are: ${known.join(', ')}`);
      continue;
    }
    for (const [name, features] of Object.entries({ [EFFECTS]: [], ...options.featureSets })) {
      const plan = planVariant(name, method, rows, features);
      const size = sizeProblem(plan.rows);
      if (size !== null) {
        problems.push(`${method}, ${name}: rows with everything that is needed: ${size}`);
      } else if (name !== EFFECTS && plan.features.length === 0) {
        problems.push(`${method}, ${name}: the table has none of its metrics (${features.join(', ')})`);
      }
    }
  }
  if (Object.hasOwn(options.featureSets, EFFECTS)) {
    problems.push(`a feature set can not be called "${EFFECTS}": that is the variant without metrics`);
  }
  const gradients = Object.values(options.featureSets).flat().filter(isGradientMetric);
  if (gradients.length > 0 && options.gradientKind === null) {
    problems.push(`gradientKind is null, but the features include ${gradients[0]}; say ema or calibration`);
  }
  const { level = 0.8, penalty = 0.003 } = options;
  if (!(level > 0 && level < 1)) {
    problems.push(`level ${level} is not between 0 and 1`);
  }
  if (!(penalty >= 0 && Number.isFinite(penalty))) {
    problems.push(`penalty ${penalty} is not 0 or more`);
  }
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`the fingerprint ${options.name} can not be fitted:`, problems));
  }
}

function outcomesOf(row: TableRow): string[] {
  return Object.keys(row.outcomes).filter((method) => row.outcomes[method] !== null);
}
