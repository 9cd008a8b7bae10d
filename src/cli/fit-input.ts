import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import {
  FEATURE_GROUPS,
  type FeatureGroup,
  type FitOptions,
  featureSets,
  isGradientMetric,
  outcomeColumnNames,
  parseTable,
  type TableRow,
  type Target,
} from '../fingerprint/index.js';
import { fileProblem, listProblems, MergeguardError } from '../tensors/errors.js';
import { methodCalled } from '../tensors/merge-method-name.js';

/** Arguments of `fit`, checked as far as that can be done without the table. */
export interface FitArguments {
  table: string;
  out: string;
  target: Target;
  methods?: string;
  features: string;
  quick: boolean;
  relabellings?: number;
  threads: number;
  name?: string;
  architecture: string;
  optimiser: string;
  gradients: 'calibration' | 'ema';
  force: boolean;
  json: boolean;
}

export interface FitInput {
  readonly rows: readonly TableRow[];
  readonly options: FitOptions;
  /** what a user should know of the table, a sentence each */
  readonly notices: readonly string[];
}

export const RELABELLINGS = 20;
export const QUICK_RELABELLINGS = 5;

/** The names in a comma-separated list. */
export function namesIn(list: string): string[] {
  return list.split(',').map((name) => name.trim());
}

/**
 * Reads the table and says what is to be fitted on it.
 *
 * @throws MergeguardError when the table can't be read or fitted, or lacks a method or every metric that was asked for
 */
export async function fitInput(args: FitArguments): Promise<FitInput> {
  const { target } = args;
  const asked =
    args.methods === undefined ? undefined : [...new Set(namesIn(args.methods).map(methodCalled))];
  const text = await readText(args.table);
  const { rows, metrics, notices } = parseTable(text, { target, path: args.table, methods: asked });
  const sets = featureSets(args.features, metrics) ?? {};
  const absent = absentGroups(args.features, metrics);
  if (Object.keys(sets).length === 0 && args.features !== 'all') {
    throw new MergeguardError(
      `${args.table} has no usable metric of ${args.features}; of others it has: ${metrics.join(', ') || 'none'}`,
    );
  }
  const hasGradients = Object.values(sets).flat().some(isGradientMetric);
  const file = basename(args.table);
  return {
    rows,
    notices: [...notices, ...absent],
    options: {
      name: args.name ?? (basename(file, extname(file)) || file),
      target,
      methods: asked && checkMethods(asked, rows, args),
      featureSets: sets,
      penalties: args.quick ? 'default' : 'nested',
      relabellings: args.relabellings ?? (args.quick ? QUICK_RELABELLINGS : RELABELLINGS),
      gradientKind: hasGradients ? args.gradients : null,
      // a reference is a finished model: its gradient is taken on calibration samples, whatever the live one is
      referenceGradientKind: hasGradients ? 'calibration' : null,
      provenance: {
        architecture: args.architecture,
        optimiser: args.optimiser,
        source: `the table ${file}`,
        notes: notices,
      },
    },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new MergeguardError(`the table ${path} can not be read: ${fileProblem(error)}`);
  }
}

/** @throws MergeguardError naming the columns that were looked for and the methods that there are */
function checkMethods(
  methods: readonly string[],
  rows: readonly TableRow[],
  { table, target }: Pick<FitArguments, 'table' | 'target'>,
): readonly string[] {
  const known = Object.keys(rows[0].outcomes).filter((method) =>
    rows.some((row) => row.outcomes[method] !== null),
  );
  const problems = methods
    .filter((method) => !known.includes(method))
    .map((method) => {
      const columns = outcomeColumnNames(target, method).join(' or ');
      return `merge method ${method}: there is no column ${columns} with values`;
    });
  if (problems.length > 0) {
    problems.push(`methods that there are: ${known.join(', ') || 'none'}`);
    throw new MergeguardError(
      listProblems(`${table} does not have every method that was asked for:`, problems),
    );
  }
  return methods;
}

/** Groups that were asked for and of which the table has no metric: streams that offer them gain nothing by it. */
function absentGroups(features: string, metrics: readonly string[]): string[] {
  const asked = features === 'all' ? Object.keys(FEATURE_GROUPS) : features.split('+');
  const absent = asked.filter(
    (group) => !FEATURE_GROUPS[group as FeatureGroup].some((name) => metrics.includes(name)),
  );
  if (absent.length === Object.keys(FEATURE_GROUPS).length) {
    return ['the table has no usable metric: predictions come from reference effects alone'];
  }
  return absent.map((group) => `the table has no usable metric of the group ${group}`);
}
