import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mergeFiles, writeModel } from '../at-rest/index.js';
import type { CommandTemplate } from './command-template.js';
import { evaluateCommand } from './evaluate-command.js';
import type { Evaluator, Made, Outcome, Subject } from './evaluator.js';
import type { CalibrationPool } from './pool.js';

export interface CommandEvaluatorOptions {
  readonly pool: CalibrationPool;
  readonly command: CommandTemplate;
  readonly timeLimitSeconds: number;
  /** where merged checkpoints lie while they are evaluated; emptied first */
  readonly folder: string;
  /** commands at a time */
  readonly workers: number;
  /** threads of one merge */
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
}

/** Writes a model as a checkpoint, runs the user's command on it, and removes it. */
export class CommandEvaluator implements Evaluator {
  readonly concurrency: number;
  readonly #options: CommandEvaluatorOptions;
  #made = 0;

  private constructor(options: CommandEvaluatorOptions) {
    this.#options = options;
    this.concurrency = options.workers;
  }

  static async open(options: CommandEvaluatorOptions): Promise<CommandEvaluator> {
    await rm(options.folder, { recursive: true, force: true });
    await mkdir(options.folder, { recursive: true });
    return new CommandEvaluator(options);
  }

  identityOf(model: number): unknown {
    const { pool, command } = this.#options;
    return { command, task: pool.models[model]!.task };
  }

  async make(subject: Subject): Promise<Made> {
    const path = join(this.#options.folder, `model-${this.#made++}.safetensors`);
    await this.#write(subject, path);
    return {
      evaluate: (model) => this.#evaluate(path, model),
      discard: () => rm(path, { force: true }),
    };
  }

  close(): Promise<void> {
    return rm(this.#options.folder, { recursive: true, force: true });
  }

  async #write({ models, merge, scale }: Subject, out: string): Promise<void> {
    const { pool, threads, signal } = this.#options;
    const common = { base: pool.base, heads: pool.heads, signal, out };
    const named = models.map((at) => pool.models[at]!);
    if (merge === null) {
      await writeModel({ ...common, model: named[0]!.path, scale });
    } else {
      await mergeFiles({ ...common, models: named, merge, threads });
    }
  }

  #evaluate(checkpoint: string, model: number): Promise<Outcome> {
    const { pool, command, timeLimitSeconds, signal } = this.#options;
    const { task } = pool.models[model]!;
    const { folder } = pool;
    return evaluateCommand(command, { checkpoint, task }, { folder, timeLimitSeconds, signal });
  }
}
