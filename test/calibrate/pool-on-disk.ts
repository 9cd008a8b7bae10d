import { readFileSync, writeFileSync } from 'node:fs';
import type { Disk } from '../at-rest/models-on-disk.js';
import { fineTuned, randomBase, type Tensors } from '../at-rest/models-on-disk.js';

/** An evaluation: of a merged checkpoint, told by its content, on a task. */
export interface LoggedEvaluation {
  readonly checkpoint: string;
  readonly task: string;
}

/**
 * Reads the checkpoint that it is given, writes to its log when it begins and when it ends, and prints an accuracy that depends on
 * nothing but the checkpoint's content and the task. A third argument makes it fail, for the task that is the fourth.
 */
const SCRIPT = `
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';

const [checkpoint, task, log, mode = 'well', only = task] = process.argv.slice(2);
const digest = createHash('sha256').update(readFileSync(checkpoint)).update(task).digest();
const say = (what) => appendFileSync(log, JSON.stringify({ what, checkpoint: digest.toString('hex'), task }) + '\\n');
say('begins');
const accuracy = 0.75 + 0.15 * (digest[0] / 255);
switch (only === task ? mode : 'well') {
  case 'well':
    say('ends');
    console.log('loading ...\\naccuracy ' + accuracy);
    break;
  case 'percent':
    console.log(170 * accuracy);
    break;
  case 'over':
    console.log('1.7');
    break;
  case 'words':
    console.log('0.5\\nall done');
    break;
  case 'silent':
    break;
  case 'crash':
    console.error('Traceback:\\n  it broke on ' + task);
    process.exit(3);
    break;
  case 'hang': {
    // a grandchild too, which must not outlive the time limit
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    appendFileSync(log + '.children', child.pid + '\\n');
    setInterval(() => {}, 1000);
    break;
  }
}
`;

/** A pool of small random checkpoints with an evaluation script beside them. */
export class PoolOnDisk {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly base: Tensors = randomBase();

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** Absolute path of a file of the pool. */
  at(name: string): string {
    return this.#disk.at(`${this.#folder}/${name}`);
  }

  /** Writes base, models and script. */
  async write(names: readonly string[]): Promise<void> {
    await this.#disk.write(`${this.#folder}/base`, this.base);
    for (const name of names) {
      await this.#disk.write(`${this.#folder}/models/${name}`, fineTuned(this.base, name));
    }
    writeFileSync(this.at('eval.mjs'), SCRIPT);
  }

  /** Writes the pool file; \`options\` are lines of YAML that replace the defaults' of the same key. */
  pool(options: Readonly<Record<string, unknown>> = {}, name = 'pool.yaml'): string {
    const settings = {
      base: 'base.safetensors',
      models: 'models',
      methods: ['weight_avg', 'ties'],
      evaluate: { command: this.command() },
      ...options,
    };
    // JSON is YAML
    writeFileSync(this.at(name), JSON.stringify(settings, null, 2));
    return this.at(name);
  }

  command(...mode: readonly string[]): string[] {
    return [process.execPath, 'eval.mjs', '{checkpoint}', '{task}', this.at('log'), ...mode];
  }

  /** Evaluations that the script has begun or ended so far, in order. */
  logged(what: 'begins' | 'ends'): LoggedEvaluation[] {
    let text = '';
    try {
      text = readFileSync(this.at('log'), 'utf8');
    } catch {
      // nothing was evaluated yet
    }
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LoggedEvaluation & { what: string })
      .filter((entry) => entry.what === what);
  }
}
