import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Argv } from 'yargs';
import { type MadeReference, makeReferenceFile } from '../at-rest/index.js';
import { VERSION } from '../guard/version.js';
import { openReference, type ReferenceFile, referenceLimits, type TauDtype } from '../reference/index.js';
import { elementCount } from '../tensors/index.js';
import { AT_REST_OPTIONS, type AtRestArguments, atRestOptions, atRestProblem } from './at-rest-options.js';
import { coverageLines } from './at-rest-text.js';
import type { Command } from './command.js';
import { checkPlace } from './fit-output.js';
import { print, tell } from './print.js';
import { untilStopped } from './stop.js';
import { bytes, pad, plain, wrapped } from './text.js';
import { jsonLine } from './watch-lines.js';
import { duration } from './work-progress.js';

const WIDTH = 100;
/** Width of what a fact is called. */
const LABEL = 14;

interface MakeArguments extends AtRestArguments {
  base: string;
  model: string;
  out: string;
  name: string | undefined;
  calibration: string | undefined;
  dtype: TauDtype;
  force: boolean;
}

interface ShowArguments {
  file: string;
  json: boolean;
}

/** `mergeguard reference make` and `mergeguard reference show`. */
export const referenceCommand: Command<object> = {
  builder: (yargs) =>
    yargs
      .command({
        command: 'make',
        describe: 'Make a reference file from a base and a model fine-tuned from it',
        builder: makeOptions,
        handler: (args) => make(args as unknown as MakeArguments),
      })
      .command({
        command: 'show <file>',
        describe: 'Say what a reference file holds and what it can be used for',
        builder: (sub: Argv) =>
          sub
            .positional('file', { type: 'string', demandOption: true, describe: 'Path of a reference file' })
            .options({ json: { type: 'boolean', default: false, describe: 'Print one JSON object' } })
            .check((args) => args.file !== '' || 'file must not be empty'),
        handler: (args) => show(args as unknown as ShowArguments),
      })
      .demandCommand(1, 'Name what to do: make or show.'),
  handler: async () => undefined,
};

function makeOptions(yargs: Argv) {
  return yargs
    .options({
      base: {
        type: 'string',
        requiresArg: true,
        demandOption: true,
        describe: 'The base: a checkpoint file, its index, or a folder',
      },
      model: {
        type: 'string',
        requiresArg: true,
        demandOption: true,
        describe: 'The model fine-tuned from it: a checkpoint, or a LoRA adapter',
      },
      out: { type: 'string', requiresArg: true, demandOption: true, describe: 'The file to write' },
      name: { type: 'string', requiresArg: true, describe: "Name of the reference [default: the model's]" },
      calibration: {
        type: 'string',
        requiresArg: true,
        describe: 'safetensors file with held-out samples of its task: inputs [N, ...] and labels [N]',
      },
      dtype: {
        choices: ['F32', 'F16'] as const,
        default: 'F32' as const,
        describe: 'Of the task vector; F16 is half the size',
      },
      force: { type: 'boolean', default: false, describe: 'Overwrite a file that is there already' },
      ...AT_REST_OPTIONS,
    })
    .check((args) => atRestProblem(args, ['--base', '--model', '--out', '--name', '--calibration']));
}

async function make(args: MakeArguments): Promise<void> {
  const { base, model, out, name, calibration, dtype } = args;
  await checkPlace(out, args.force, [base, model, ...(calibration === undefined ? [] : [calibration])]);
  const began = performance.now();
  await untilStopped([out], async (signal) => {
    const { close, ...options } = atRestOptions(args);
    let made: MadeReference;
    try {
      const madeBy = {
        by: `mergeguard ${VERSION}, reference make`,
        base: basename(base),
        model: basename(model),
      };
      // heads that are given are left out, and kept as the reference's own
      const heads = args.heads === undefined ? {} : { heads: options.heads };
      made = await makeReferenceFile({
        base,
        model,
        out,
        name,
        calibration,
        dtype,
        signal,
        madeBy,
        ...heads,
        threads: options.threads,
        onFindings: options.onFindings,
        onProgress: options.onProgress,
      });
    } finally {
      close();
    }
    const { size } = await stat(out);
    tell(`wrote ${out}, ${bytes(size)}, after ${duration((performance.now() - began) / 1000)}`);
    print([
      `reference ${plain(made.description.name)}`,
      ...coverageLines(made.coverage),
      ...limitLines(made.limits),
    ]);
  });
}

async function show({ file: path, json }: ShowArguments): Promise<void> {
  const file = await openReference(path);
  try {
    const report = await describe(file, path);
    print(json ? [jsonLine(report)] : showLines(report));
  } finally {
    await file.close();
  }
}

/** What a reference file holds, from its header and norms: no task vector is read. */
async function describe(file: ReferenceFile, path: string) {
  const { description } = file;
  const { name, baseHash, tensors, gradientRecipe, accuracy, loss, madeBy } = description;
  const norms = await file.norms();
  const count = (part: string) => ({ size: file.names(part).length });
  const orNull = (part: string) => (file.names(part).length > 0 ? count(part) : null);
  const samples = file.has('calibration', 'labels') ? file.info('calibration', 'labels').shape[0]! : 0;
  const limits = referenceLimits({
    ...description,
    norms,
    subspaces: count('left'),
    bottoms: count('bottom'),
    gradient: orNull('gradient'),
    head: orNull('head'),
    calibration: orNull('calibration'),
    inputGradient: orNull('input_gradient'),
  });
  const dense = file.names('tau');
  return {
    name,
    path,
    bytes: (await stat(path)).size,
    baseHash,
    tensors: tensors.length,
    parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    taskVector: {
      norm: Math.sqrt(norms.reduce((sum, norm) => sum + norm, 0)),
      dense: dense.length,
      lowRank: file.names('tau_left').length,
      dtype: dense.length > 0 ? file.info('tau', dense[0]!).dtype : null,
    },
    matrices: { decomposed: file.names('left').length, withBottom: file.names('bottom').length },
    head: file.names('head'),
    gradient: gradientRecipe,
    calibrationSamples: samples,
    accuracy,
    loss,
    madeBy,
    limits,
  };
}

function showLines(report: Awaited<ReturnType<typeof describe>>): string[] {
  const { taskVector, matrices, gradient, accuracy, loss } = report;
  const forms = [];
  if (taskVector.dense > 0) forms.push(`${taskVector.dense} tensors in ${taskVector.dtype}`);
  if (taskVector.lowRank > 0) forms.push(`${taskVector.lowRank} as low-rank factors`);
  const facts: [string, string][] = [
    ['reference', report.name],
    ['file', `${report.path}, ${bytes(report.bytes)}`],
    ['base', `${report.baseHash.slice(0, 12)} (SHA-256 over its shared tensors)`],
    ['shared', `${report.tensors} tensors, ${counted(report.parameters)} parameters`],
    ['task vector', [`length ${taskVector.norm.toPrecision(6)}`, ...forms].join('; ')],
    ['subspaces', `of ${matrices.decomposed} matrices, ${matrices.withBottom} of them with bottom subspaces`],
    ['head', report.head.join(', ') || 'none'],
    ['gradient', gradient === null ? 'none' : `${gradient.kind}, batch ${gradient.batch ?? 'unknown'}`],
    ['calibration', report.calibrationSamples > 0 ? `${report.calibrationSamples} samples` : 'none'],
    [
      'alone',
      accuracy === null && loss === null
        ? 'unknown'
        : `accuracy ${accuracy ?? 'unknown'}, loss ${loss ?? 'unknown'}`,
    ],
    ...Object.entries(report.madeBy).map(([key, value], at): [string, string] => [
      at === 0 ? 'made by' : '',
      `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ]),
  ];
  return [
    ...facts.flatMap(([name, text]) =>
      wrapped(`${pad(name, LABEL - 1)} ${plain(text)}`, WIDTH, ' '.repeat(LABEL)),
    ),
    ...limitLines(report.limits),
  ];
}

function limitLines(limits: readonly string[]): string[] {
  return limits.length === 0
    ? []
    : ['what it lacks:', ...limits.flatMap((limit) => wrapped(`  ${plain(limit)}`, WIDTH, '    '))];
}

function counted(count: number): string {
  return count < 1e5 ? `${count}` : `${(count / 1e6).toFixed(2)} M`;
}
