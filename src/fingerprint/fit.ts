import { listProblems, MergeguardError } from '../tensors/index.js';
import { checksumOf } from './checksum.js';
import { fitGroups, type GroupRow, groupFits, groupsOf } from './fit-groups.js';
import { Fitter, type FitterOptions } from './fitter.js';
import { Gate } from './gate.js';
import {
  defaultPenalties,
  METRICS_ONLY_GRID,
  nestedPenalties,
  nestedPenaltyFits,
  type Penalties,
  WITH_EFFECTS_GRID,
} from './penalty.js';
import { examplesOf, planVariant, type VariantPlan } from './plan.js';
import type { Program, Solution } from './program.js';
import {
  FILE_VERSION,
  type Fingerprint,
  type FingerprintContent,
  FORMAT,
  isGradientMetric,
  type MethodFingerprint,
  type Target,
} from './schema.js';
import { fitSelfProbe, selfProbeExamples, selfProbePrograms } from './self-probe.js';
import { DEFAULT_THREADS, type PoolOptions, SolverPool } from './solver-pool.js';
import { checkTable, isDirected, type NumberedRow, sizeProblem, type TableRow, tasksOf } from './table.js';
import { fitVariant, type VariantOptions, variantFits } from './variant.js';

type GradientKind = 'ema' | 'calibration' | null;

export interface FitOptions {
  readonly name: string;
  /** what the table's outcomes are */
  readonly target: Target;
  /** merge methods; defaults to every one that has an outcome in the table */
  readonly methods?: readonly string[];
  /** variants by name, each a subset of metrics that a stream may offer, e.g. `weights` */
  readonly featureSets: Readonly<Record<string, readonly string[]>>;
  /** penalties on weights: chosen inside the training folds (the default), or fixed ones, ten times as fast */
  readonly penalties?: 'nested' | 'default';
  /** merges of three or more models, for predictions of such; none by default */
  readonly groups?: readonly GroupRow[];
  /** nominal coverage of a score's interval; defaults to 0.8 */
  readonly level?: number;
  /** of the live model's gradients in the table; null where no feature set has gradient metrics */
  readonly gradientKind: GradientKind;
  /** of the references' gradients; defaults to `gradientKind` */
  readonly referenceGradientKind?: GradientKind;
  /** s of base + s tau that the table's self-probes were taken at; defaults to 0.5 */
  readonly selfProbeScale?: number;
  /** relabellings of the null; defaults to 20, 0 leaves it out */
  readonly relabellings?: number;
  readonly provenance: {
    readonly architecture: string;
    readonly optimiser: string;
    /** where the table comes from, in a sentence */
    readonly source: string;
    /** what a user should know of the table, a sentence each */
    readonly notes?: readonly string[];
  };
  readonly pool?: PoolOptions;
  /** ends the fit: what is not solved yet is rejected */
  readonly signal?: AbortSignal;
  /** how programs are solved; defaults to worker threads */
  readonly solve?: (program: Program) => Promise<Solution>;
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

  const pool = options.solve === undefined ? new SolverPool(options.pool) : null;
  const stop = () => void pool?.close();
  options.signal?.addEventListener('abort', stop, { once: true });
  const settings: VariantOptions = {
    directed: isDirected(rows),
    level: options.level ?? 0.8,
    seeds: Array.from({ length: options.relabellings ?? 20 }, (_, seed) => seed),
  };
  const jobs = methods.map((method) => planMethod(numbered, method, options, settings));
  const total = jobs.reduce((sum, job) => sum + job.fits, 0);
  let done = 0;
  const fits: FitterOptions = {
    solve: options.solve ?? ((program) => (pool as SolverPool).solve(program)),
    gate: new Gate(4 * (options.pool?.threads ?? DEFAULT_THREADS)),
    onFit: (label) => {
      done++;
      options.onProgress?.({ done, total, label });
    },
  };
  try {
    const fitted: Record<string, MethodFingerprint> = {};
    for (const job of jobs) {
      fitted[job.method] = await job.fit(fits);
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
        penalties: options.penalties ?? 'nested',
        seeds: [...settings.seeds],
        notes: [...(options.provenance.notes ?? [])],
      },
    };
    return { ...content, checksum: checksumOf(content) };
  } finally {
    options.signal?.removeEventListener('abort', stop);
    await pool?.close();
  }
}

/** What is to be fitted for one method, with the number of fits that it takes. */
function planMethod(
  rows: readonly NumberedRow[],
  method: string,
  { featureSets, selfProbeScale = 0.5, penalties = 'nested', groups = [] }: FitOptions,
  settings: VariantOptions,
) {
  const { directed, level } = settings;
  const plans = Object.entries({ ...featureSets, [EFFECTS]: [] })
    .map(([name, features]) => planVariant(name, method, rows, features))
    .sort((a, b) => b.features.length - a.features.length);
  // Chosen once for the method, on its richest variant, and used for the poorer ones.
  const richest = plans[0];
  const probed = selfProbeExamples(rows, method);
  const effectsPlan = plans[plans.length - 1];
  const pairs = examplesOf(effectsPlan.rows, effectsPlan);
  const grouped = groupsOf(groups, method);
  const isNested = penalties === 'nested' && richest.features.length > 0;
  const choiceFits = [METRICS_ONLY_GRID, WITH_EFFECTS_GRID].reduce(
    (sum, grid) =>
      isNested ? sum + nestedPenaltyFits(examplesOf(richest.rows, richest), directed, grid) : 0,
    0,
  );
  return {
    method,
    fits: plans.reduce(
      (sum, plan) => sum + variantFits(plan, settings),
      choiceFits + selfProbePrograms(probed, directed) + groupFits(grouped, pairs, directed),
    ),
    fit: async (fits: FitterOptions): Promise<MethodFingerprint> => {
      const selfProbe = await fitSelfProbe(probed, { method, scale: selfProbeScale, directed, level, fits });
      const chosen = isNested
        ? {
            metricsOnly: await choosePenalties(richest, false, directed, fits),
            withEffects: await choosePenalties(richest, true, directed, fits),
          }
        : {
            metricsOnly: defaultPenalties(METRICS_ONLY_GRID),
            withEffects: defaultPenalties(WITH_EFFECTS_GRID),
          };
      const variants = [];
      for (const plan of plans) {
        variants.push(await fitVariant(plan, settings, fits, chosen, selfProbe?.heldOut ?? null));
      }
      return {
        rows: rows.filter((row) => typeof row.outcomes[method] === 'number').length,
        selfProbe: selfProbe?.fit ?? null,
        groups: await fitGroups(grouped, pairs, { method, directed, level, fits }),
        variants,
      };
    },
  };
}

async function choosePenalties(
  plan: VariantPlan,
  withEffects: boolean,
  directed: boolean,
  fits: FitterOptions,
): Promise<Penalties> {
  const fitter = new Fitter(fits);
  const label = `${plan.method}, penalty ${withEffects ? 'with effects' : 'of metrics only'}`;
  const { features } = plan;
  return nestedPenalties(
    examplesOf(plan.rows, plan),
    directed,
    withEffects ? WITH_EFFECTS_GRID : METRICS_ONLY_GRID,
    (penalty) => async (train, tasks) =>
      (await fitter.fit(train, { label, features, withEffects, penalty }, tasks)).predict,
  );
}

function checkOptions(rows: readonly NumberedRow[], methods: readonly string[], options: FitOptions): void {
  const problems: string[] = [];
  const known = [...new Set(rows.flatMap((row) => Object.keys(row.outcomes)))];
  if (methods.length === 0) {
    problems.push('the table has no outcome of any merge method');
  }
  for (const method of methods) {
    if (method === '__proto__') {
      problems.push('no merge method can be called __proto__');
    }
    if (!known.includes(method)) {
      problems.push(`merge method ${method} is not in the table; there are: ${known.join(', ')}`);
      continue;
    }
    for (const [name, features] of Object.entries({ [EFFECTS]: [], ...options.featureSets })) {
      const plan = planVariant(name, method, rows, features);
      const size = sizeProblem(plan.rows);
      if (size !== null) {
        problems.push(
          `${method}, ${name}: rows with everything that is needed: ${size} (or leave ${method} out of the methods)`,
        );
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
  const { level = 0.8 } = options;
  if (!(level > 0 && level < 1)) {
    problems.push(`level ${level} is not between 0 and 1`);
  }
  if (problems.length > 0) {
    throw new MergeguardError(listProblems(`the fingerprint ${options.name} can not be fitted:`, problems));
  }
}

function outcomesOf(row: TableRow): string[] {
  return Object.keys(row.outcomes).filter((method) => row.outcomes[method] !== null);
}
