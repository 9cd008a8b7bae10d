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
 * nothing but the checkpoint's content and the task. Further arguments, a task and a way to fail each, make it fail.
 */
const SCRIPT = `
checkpoint=$1 task=$2 log=$3 mode=well
shift 3
while [ $# -gt 1 ]; do
  [ "$1" != "$task" ] || mode=$2
  shift 2
done
digest=$({ cat "$checkpoint"; printf %s "$task"; } | sha256sum | cut -c 1-64)
say() {
  printf '{"what":"%s","checkpoint":"%s","task":"%s"}\\n' "$1" "$digest" "$task" >> "$log"
}
say begins
case $mode in
  well)
    say ends
    echo loading ...
    echo "accuracy 0.$((7500 + 0x$(printf %.2s "$digest") * 1500 / 255))" ;;
  over)
    echo 1.7 ;;
  words)
    printf '0.5\\nall done\\n' ;;
  silent)
    ;;
  crash)
    printf 'Traceback:\\n  it broke on %s\\n' "$task" >&2
    exit 3 ;;
  hang)
    # a process of its own too, which must not outlive the time limit
    sleep 600 &
    echo $! >> "$log.children"
    wait ;;
esac
`;

/** Whether a process does anything: one that has ended and that nobody has waited for does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

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
    writeFileSync(this.at('eval.sh'), SCRIPT);
  }

  /** Writes the pool file; `options` are lines of YAML that replace the defaults' of the same key. */
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

  /** @param failing tasks, each followed by the way in which its evaluations fail */
  command(...failing: readonly string[]): string[] {
    return ['sh', 'eval.sh', '{checkpoint}', '{task}', this.at('log'), ...failing];
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
