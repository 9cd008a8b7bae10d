import { rm, writeFile } from 'node:fs/promises';
import {
  MERGED_DTYPES,
  type MergedDtype,
  type MergedFile,
  type MergeFilesOptions,
  mergeFiles,
  modelPaths,
} from '../at-rest/index.js';
import { type ConfiguredMerge, checkModelCount, type MergekitConfig, mergeMethod } from '../merging/index.js';
import { MergeguardError } from '../tensors/errors.js';
import {
  AT_REST_OPTIONS,
  type AtRestArguments,
  afterDashes,
  atRestOptions,
  atRestProblem,
  lastOfEach,
} from './at-rest-options.js';
import type { Command } from './command.js';
import { checkPlace, writeWhole } from './fit-output.js';
import {
  COEFFICIENT_OPTIONS,
  type CoefficientArguments,
  coefficientProblem,
  evaluationOf,
  mergeWithBest,
} from './merge-coefficient.js';
import { type MergeReport, mergeLines, mergeReport } from './merge-text.js';
import { mergekitOf, mergekitPath } from './mergekit-file.js';
import { print, tell } from './print.js';
import { untilStopped } from './stop.js';
import { bytes, plain } from './text.js';
import { jsonLine } from './watch-lines.js';
import { duration } from './work-progress.js';

interface MergeArguments extends AtRestArguments, CoefficientArguments {
  models: string[];
  base: string;
  method: string;
  param: string | string[] | undefined;
  out: string;
  dtype: MergedDtype | undefined;
  mergekit: boolean;
  force: boolean;
  json: boolean;
}

/** `mergeguard merge`: several models become one checkpoint. */
export const mergeCommand: Command<MergeArguments> = {
  builder: (yargs) =>
    yargs
      // several models are a list, and so is `--param a=1 --param b=2`
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .middleware(lastOfEach(['models', 'param']), true)
      .positional('models', {
        type: 'string',
        array: true,
        demandOption: true,
        describe:
          'Checkpoints, LoRA adapters, reference files, or folders of such, in the order of --param weights',
      })
      .options({
        base: {
          type: 'string',
          requiresArg: true,
          demandOption: true,
          describe: 'The checkpoint that all were fine-tuned from',
        },
        method: {
          type: 'string',
          requiresArg: true,
          demandOption: true,
          describe: 'The merge method, or its id with parameters: ties@0.3@density=0.1',
        },
        param: {
          type: 'string',
          requiresArg: true,
          describe: 'NAME=VALUE, a parameter of the method; may be given several times [default: its own]',
        },
        ...COEFFICIENT_OPTIONS,
        out: {
          type: 'string',
          requiresArg: true,
          demandOption: true,
          describe: 'The safetensors file to write',
        },
        dtype: {
          choices: MERGED_DTYPES,
          describe: "Of all tensors of floats [default: the base's, tensor by tensor]",
        },
        mergekit: {
          type: 'boolean',
          default: true,
          describe: 'Write the same merge for mergekit beside it; --no-mergekit does not',
        },
        force: { type: 'boolean', default: false, describe: 'Overwrite files that are there already' },
        ...AT_REST_OPTIONS,
        json: { type: 'boolean', default: false, describe: 'Print one JSON object on standard output' },
      })
      .check((args) => {
        const merge = mergeOf(args);
        if (typeof merge === 'string') {
          return merge;
        }
        const problem = atRestProblem(args, ['models', '--base', '--out']);
        return problem === true ? coefficientProblem(args) : problem;
      }),
  handler: merge,
};

/** The merge that the arguments ask for, or what is wrong with it. */
function mergeOf({ method, param }: Pick<MergeArguments, 'method' | 'param'>): ConfiguredMerge | string {
  const given = param === undefined ? [] : [param].flat();
  const malformed = given.find((text) => !/^[^=@]+=[^@]*$/.test(text));
  if (malformed !== undefined) {
    return `--param "${malformed}" must be NAME=VALUE, as in --param density=0.2`;
  }
  try {
    return mergeMethod([method, ...given].join('@'));
  } catch (error) {
    if (error instanceof MergeguardError) {
      return error.message;
    }
    throw error;
  }
}

async function merge(args: MergeArguments): Promise<void> {
  const { base, out, dtype, force, mergekit } = args;
  const configured = mergeOf(args) as ConfiguredMerge;
  const models = await modelPaths([...args.models, ...afterDashes(args)], base);
  checkModelCount(configured.method, configured.parameters, models.length);
  const inputs = [base, ...models.map(({ path }) => path)];
  const files = mergekit ? [out, mergekitPath(out)] : [out];
  for (const path of files) {
    await checkPlace(path, force, inputs);
  }
  const began = performance.now();
  await untilStopped([out], async (signal) => {
    const { merged, coefficient, search } = await mergedBy(args, {
      base,
      models,
      merge: configured,
      out,
      dtype,
      signal,
    });
    const seconds = (performance.now() - began) / 1000;
    tell(`wrote ${plain(out)}, ${bytes(merged.bytes)}, after ${duration(seconds)}`);
    const config = mergekit ? mergekitOf(configured, base, merged, coefficient) : null;
    if (config !== null) {
      await writeConfig(mergekitPath(out), config);
    }
    const report = mergeReport(configured, { merged, coefficient, search }, config, seconds);
    print(args.json ? [jsonLine(report)] : mergeLines(report));
  });
}

/** Merges with the coefficient that the arguments give, or that is best. */
async function mergedBy(
  args: MergeArguments,
  options: MergeFilesOptions,
): Promise<{ merged: MergedFile } & Pick<MergeReport, 'coefficient' | 'search'>> {
  const { coefficient = 1 } = args;
  const evaluation = evaluationOf(args);
  const { close, ...common } = atRestOptions(args);
  try {
    if (evaluation === null) {
      const merged = await mergeFiles({ ...options, ...common, coefficient });
      return { merged, coefficient, search: null };
    }
    const { merged, search } = await mergeWithBest({ ...options, ...common, onMerged: close }, evaluation);
    return { merged, search, coefficient: search.best.coefficient };
  } finally {
    close();
  }
}

/** What lies there of another merge is gone in any case. */
async function writeConfig(path: string, config: MergekitConfig): Promise<void> {
  if ('yaml' in config) {
    await writeWhole(path, (temporary) => writeFile(temporary, config.yaml));
    tell(`wrote ${plain(path)}`);
  } else {
    await rm(path, { force: true });
  }
}
