import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type Calibration,
  calibrate,
  failureLines,
  fittedGroups,
  openPool,
  type PoolFile,
  type Progress,
  readPoolFile,
  type Stage,
  tableCsv,
  tooFewError,
} from '../calibrate/index.js';
import type { Fingerprint } from '../fingerprint/index.js';
import { sizeProblem } from '../fingerprint/table.js';
import { MergeguardError } from '../tensors/index.js';
import { QUIET_MS } from './at-rest-options.js';
import type { Command } from './command.js';
import { fitAndWrite } from './fit.js';
import { fitInput } from './fit-input.js';
import { checkPlace, writeWhole } from './fit-output.js';
import { fitReport, reportLines } from './fit-report.js';
import { print, tell } from './print.js';
import { untilStopped } from './stop.js';
import { plain } from './text.js';
import { jsonLine } from './watch-lines.js';
import { WorkProgress } from './work-progress.js';

interface CalibrateArguments {
  pool: string;
  out: string;
  work?: string;
  table?: string;
  workers?: number;
  quick: boolean;
  force: boolean;
  json: boolean;
}

/** `mergeguard calibrate`: a fingerprint of a pool's own, from merges that are made and evaluated here. */
export const calibrateCommand: Command<CalibrateArguments> = {
  builder: (yargs) =>
    yargs
      .options({
        pool: {
          type: 'string',
          requiresArg: true,
          demandOption: true,
          describe:
            'YAML: base, models, methods, and how a merged model is evaluated; see examples/pool.yaml',
        },
        out: { type: 'string', requiresArg: true, demandOption: true, describe: 'File of the fingerprint' },
        work: {
          type: 'string',
          requiresArg: true,
          describe: 'Folder of what is finished, from which a run goes on [default: OUT.work]',
        },
        table: {
          type: 'string',
          requiresArg: true,
          describe: 'File of the table of merges, as `fit` reads it [default: WORK/merges.csv]',
        },
        workers: {
          type: 'number',
          requiresArg: true,
          describe: 'Evaluations at a time [default: 1 of a command, one a core of the zoo]',
        },
        quick: {
          type: 'boolean',
          default: false,
          describe: 'Fit with default penalties instead of chosen ones, and fewer relabellings',
        },
        force: { type: 'boolean', default: false, describe: 'Overwrite files that are there already' },
        json: { type: 'boolean', default: false, describe: 'Print one JSON object on standard output' },
      })
      .check(usageProblem),
  handler,
};

/** What is wrong with the arguments, or true. */
function usageProblem({ pool, out, work, table, workers = 1 }: CalibrateArguments): string | true {
  for (const [name, value] of Object.entries({ pool, out, work, table })) {
    if (value === '') {
      return `--${name} must not be empty`;
    }
  }
  const files = [pool, out, work, table].filter((path) => path !== undefined).map((path) => resolve(path));
  if (new Set(files).size < files.length) {
    return '--pool, --out, --work and --table must be different';
  }
  return (Number.isInteger(workers) && workers >= 1) || '--workers must be a whole number from 1';
}

async function handler(args: CalibrateArguments): Promise<void> {
  const file = await readPoolFile(args.pool);
  const work = args.work ?? `${args.out}.work`;
  const problems = await placeProblems(args);
  await untilStopped([args.out], async (signal) => {
    const pool = await openPool(file, { signal, known: problems });
    const show = new StageProgress();
    try {
      const calibration = await calibrate(pool, {
        work,
        workers: args.workers,
        signal,
        onProgress: (progress) => show.show(progress),
        onNotice: (text) => note(text),
        onFindings: (findings) => {
          for (const { severity, model, text } of findings) {
            tell(`${severity}: ${plain(`${model}: ${text}`)}`);
          }
        },
      });
      show.close();
      signal.throwIfAborted();
      await finish(args, file, calibration, args.table ?? join(work, 'merges.csv'), signal);
    } catch (error) {
      show.close();
      if (signal.aborted) {
        tell(`everything finished so far is in ${plain(work)}: the same command goes on from there`);
      }
      throw error;
    }
  });
}

/** Of the files that are written, where they can't be. */
async function placeProblems({ pool, out, table, force }: CalibrateArguments): Promise<string[]> {
  const problems: string[] = [];
  for (const path of [out, table]) {
    try {
      if (path !== undefined) {
        await checkPlace(path, force, [pool]);
      }
    } catch (error) {
      if (!(error instanceof MergeguardError)) {
        throw error;
      }
      problems.push(error.message);
    }
  }
  return problems;
}

/** The table, the fit, and what they are worth. */
async function finish(
  args: CalibrateArguments,
  file: PoolFile,
  calibration: Calibration,
  table: string,
  signal: AbortSignal,
): Promise<void> {
  const { pairs, groups, failures, notes, evaluations } = calibration;
  const methods = Object.keys(pairs[0]!.outcomes);
  await writeWhole(table, (path) => writeFile(path, tableCsv(pairs, methods)));
  tell(`wrote ${plain(table)}`);
  notes.forEach(note);
  failureLines(failures).forEach((line) => {
    tell(plain(line));
  });
  const usable = usableMethods(methods, calibration);
  const { architecture = 'unknown architecture', optimiser = 'unknown optimiser' } = file.settings;
  const fitted = fittedGroups(pairs, usable);
  fitted.notes.forEach(note);
  const { rows, options, notices } = await fitInput({
    table,
    out: args.out,
    target: 'normalized_acc',
    methods: usable.join(),
    features: fitted.groups.join('+') || 'all',
    quick: args.quick,
    threads: availableParallelism(),
    name: file.name,
    architecture,
    optimiser,
    gradients: 'calibration',
    force: args.force,
    json: args.json,
  });
  notices.forEach(note);
  const provenance = {
    ...options.provenance,
    source: `a pool of ${new Set(pairs.flatMap(({ taskA, taskB }) => [taskA, taskB])).size} models, every pair merged and evaluated by mergeguard calibrate`,
    notes: [...notes, ...fitted.notes, ...notices],
  };
  const fingerprint = await fitAndWrite(
    rows,
    { ...options, groups, provenance },
    {
      out: args.out,
      threads: availableParallelism(),
      signal,
    },
  );
  print(
    args.json
      ? [jsonLine({ ...reportJson(fingerprint), table, evaluations })]
      : lines(fingerprint, args, table),
  );
}

/** The methods that enough pairs were measured by. @throws MergeguardError where there is none */
function usableMethods(methods: readonly string[], { pairs, failures, journal }: Calibration): string[] {
  const problems = methods.map((method) => ({
    method,
    problem: sizeProblem(pairs.filter(({ outcomes }) => outcomes[method] !== null)),
  }));
  const usable = problems.filter(({ problem }) => problem === null).map(({ method }) => method);
  const left = problems.filter(({ problem }) => problem !== null);
  if (usable.length === 0) {
    throw tooFewError(
      left.map(({ method, problem }) => `${method}: ${problem}`).join('; '),
      failures,
      journal,
    );
  }
  for (const { method, problem } of left) {
    note(`${method} is not fitted: of merges by it there are ${problem}`);
  }
  return usable;
}

function reportJson(fingerprint: Fingerprint) {
  return { fit: fitReport(fingerprint), name: fingerprint.name };
}

function lines(fingerprint: Fingerprint, { out }: CalibrateArguments, table: string): string[] {
  return [...reportLines(fingerprint), '', `The fingerprint is ${out}, the table ${table}.`].map(plain);
}

function note(text: string): void {
  tell(`note: ${plain(text)}`);
}

/** How much of a stage is done, in words. */
const COUNTED: Readonly<Record<Stage, (done: number, total: number) => string>> = {
  'models alone': (done, total) => `${done} of ${total} evaluations of models alone`,
  'weight metrics': (done, total) =>
    `${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} M parameters compared`,
  'metrics through the hook': (done, total) => `${done} of ${total} pairs measured by a guard`,
  merges: (done, total) => `${done} of ${total} evaluations of merges`,
};

/** A bar for each stage, one after the other; for weight metrics only where they take long. */
class StageProgress {
  #stage: Stage | null = null;
  #bar: WorkProgress | null = null;
  #began = 0;

  show({ stage, done, total, label }: Progress): void {
    if (stage !== this.#stage) {
      this.close();
      this.#stage = stage;
      this.#began = performance.now();
      this.#bar = new WorkProgress(process.stderr, COUNTED[stage]);
    }
    if (stage !== 'weight metrics' || performance.now() - this.#began > QUIET_MS) {
      this.#bar!.show({ done, total, label });
    }
  }

  close(): void {
    this.#bar?.close();
    this.#bar = null;
  }
}
