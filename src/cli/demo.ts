import { SingleBar } from 'cli-progress';
import type { CommandModule } from 'yargs';
import { BACKEND_NAMES, type BackendChoice, openBackend } from '../backend/index.js';
import {
  type GuardConfigInput,
  type GuardEvent,
  loadConfig,
  type ProgressEvent,
  resolveConfig,
} from '../guard/index.js';
import { type Server, startServer } from '../server/index.js';
import { type DemoResult, openDemo } from '../zoo/index.js';
import { jsonLine } from './watch-lines.js';
import { alertLine, steerLine } from './watch-view.js';

interface DemoArguments {
  data?: string;
  task?: string;
  references?: string;
  steps: number;
  seed: number;
  port?: number;
  server: boolean;
  backend: string;
  config?: string;
  cache: string;
  json?: boolean;
}

/** What the demo sets differently from guard.yaml, so that half a minute of training shows everything. */
const DEMO_CONFIG: GuardConfigInput = {
  overhead: 0.05,
  selfProbe: { samples: 64 },
  steering: { scale_jitter: { strength: 1, every: 3 } },
};

/** `mergeguard demo`: fine-tunes a small model under guard, then merges it for real and compares. */
export const demoCommand: CommandModule<object, DemoArguments> = {
  command: 'demo',
  describe: 'Fine-tune a small model under guard, then merge it for real and compare',
  builder: (yargs) =>
    yargs
      .options({
        data: {
          type: 'string',
          requiresArg: true,
          describe: 'Folder of task files; without it, tasks are drawn',
        },
        task: {
          type: 'string',
          requiresArg: true,
          describe: 'Live task [default: curves, or the first of the folder]',
        },
        references: { type: 'string', requiresArg: true, describe: 'Reference tasks, comma-separated' },
        steps: { type: 'number', requiresArg: true, default: 300, describe: 'Steps of the live training' },
        seed: { type: 'number', requiresArg: true, default: 0, describe: 'Same seed, same models' },
        port: {
          type: 'number',
          requiresArg: true,
          describe: 'Port of the page and the WebSocket [default: 7337]',
        },
        server: { type: 'boolean', default: true, describe: 'Serve the page; --no-server does not' },
        backend: { choices: ['auto', ...BACKEND_NAMES], default: 'auto', describe: 'tfjs backend' },
        config: {
          type: 'string',
          requiresArg: true,
          describe: "A guard.yaml instead of the demo's settings",
        },
        cache: {
          type: 'string',
          requiresArg: true,
          default: '.mergeguard',
          describe: 'Folder for base and references',
        },
        json: { type: 'boolean', describe: 'Print every event as one line of JSON on standard output' },
      })
      .check(({ steps, seed }) => {
        if (!Number.isInteger(steps) || steps < 1) {
          return '--steps must be a whole number from 1';
        }
        return Number.isInteger(seed) || '--seed must be a whole number';
      }),
  handler: (args) => demo(args),
};

async function demo(args: DemoArguments): Promise<void> {
  const config = args.config === undefined ? resolveConfig(DEMO_CONFIG) : loadConfig(args.config);
  const backend = await openBackend(args.backend as BackendChoice);
  const opened = await openDemo({
    data: args.data ?? null,
    task: args.task ?? null,
    references: args.references?.split(',').map((name) => name.trim()) ?? null,
    steps: args.steps,
    seed: args.seed,
    cache: args.cache,
    config,
  });
  let server: Server | null = null;
  try {
    if (args.server) {
      server = await startServer({ host: config.server.host, port: args.port ?? config.server.port });
      server.attach(opened.run, opened.guard.events);
    }
    tell(`mergeguard guards ${opened.run} on ${backend.name} (${backend.description})`);
    if (server) {
      tell(
        `Watch it live: ${server.url}/ in a browser, or \`npx mergeguard watch ${server.url.replace('http', 'ws')}\``,
      );
    }
    const reporter = new Reporter(args.json === true);
    opened.guard.events.subscribe((event) => reporter.show(event));
    const result = await opened.play();
    reporter.finish();
    tell(summary(result));
  } finally {
    await server?.close();
  }
}

/** Events for people on standard error, and as JSON on standard output where asked for. */
class Reporter {
  readonly #json: boolean;
  readonly #bar: SingleBar | null;
  #phase = '';

  constructor(json: boolean) {
    this.#json = json;
    this.#bar = process.stderr.isTTY
      ? new SingleBar({
          format: '  {phase} {bar} {value}/{total} {loss}',
          stream: process.stderr,
          hideCursor: true,
          barsize: 24,
        })
      : null;
  }

  show(event: GuardEvent): void {
    if (this.#json) {
      process.stdout.write(`${jsonLine(event)}\n`);
    }
    if (event.event === 'progress') {
      this.#progress(event);
    } else if (event.event === 'alert') {
      this.#line(alertLine(event));
    } else if (event.event === 'steer') {
      this.#line(steerLine(event));
    }
  }

  #progress({ phase, done, total, loss }: ProgressEvent): void {
    const text = { phase: phase.padEnd(24), loss: loss == null ? '' : `loss ${loss.toFixed(3)}` };
    if (phase !== this.#phase) {
      this.finish();
      this.#phase = phase;
      if (this.#bar) {
        this.#bar.start(total, done, text);
      } else {
        tell(`  ${phase}: ${total} steps`);
      }
    }
    this.#bar?.update(done, text);
  }

  #line(text: string): void {
    this.finish();
    this.#phase = '';
    tell(`  ${text}`);
  }

  finish(): void {
    this.#bar?.stop();
  }
}

/** Predicted beside real, one line a reference and method. */
function summary({ accuracy, outcomes, error }: DemoResult): string {
  const percent = (value: number | null) =>
    value === null ? '   --' : `${(100 * value).toFixed(1).padStart(5)}`;
  const lines = [
    `\nThe live model alone: ${percent(accuracy).trim()} % on its test images. Merged with each reference:`,
    '',
  ];
  lines.push(`  ${'reference'.padEnd(18)} ${'method'.padEnd(16)} predicted   (80 % interval)      real`);
  for (const { reference, method, predicted, low, high, real } of outcomes) {
    const interval = low === null ? ''.padEnd(15) : `(${percent(low)} to ${percent(high)})`;
    lines.push(
      `  ${reference.padEnd(18)} ${method.padEnd(16)}   ${percent(predicted)}    ${interval}   ${percent(real)}`,
    );
  }
  lines.push(
    '',
    '  Normalised accuracy: each task over the accuracy of its own fine-tuned model, both averaged, in %.',
  );
  if (error !== null) {
    lines.push(`  Mean absolute error of the predictions: ${(100 * error).toFixed(1)} points.`);
  }
  return lines.join('\n');
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
