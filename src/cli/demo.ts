import { BACKEND_NAMES, type BackendChoice, openBackend } from '../backend/index.js';
import { type GuardConfigInput, loadConfig, resolveConfig } from '../guard/index.js';
import { type Server, startServer } from '../server/index.js';
import {
  DEMO_STEERING,
  type DemoResult,
  FINE_TUNING,
  openDemo,
  PRETRAINING,
  TEST_IMAGES,
} from '../zoo/index.js';
import type { Command } from './command.js';
import { DemoReporter } from './demo-reporter.js';

interface DemoArguments {
  data?: string;
  task?: string;
  references?: string;
  steps: number;
  'pretrain-steps': number;
  'reference-steps': number;
  'test-images': number;
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
  overhead: 0.1,
  steering: DEMO_STEERING,
};

/** `mergeguard demo`: fine-tunes a small model under guard, then merges it for real and compares. */
export const demoCommand: Command<DemoArguments> = {
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
        'pretrain-steps': {
          type: 'number',
          requiresArg: true,
          default: PRETRAINING.steps,
          describe: "Steps of the base's training",
        },
        'reference-steps': {
          type: 'number',
          requiresArg: true,
          default: FINE_TUNING.steps,
          describe: "Steps of each reference's training",
        },
        'test-images': {
          type: 'number',
          requiresArg: true,
          default: TEST_IMAGES,
          describe: 'Test images of a task, at most, that models and merges are evaluated on',
        },
        seed: { type: 'number', requiresArg: true, default: 0, describe: 'Same seed, same models' },
        port: {
          type: 'number',
          requiresArg: true,
          describe: 'Port of the page and the WebSocket, 0 for any free one [default: 7337]',
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
      .check(usageProblem),
  handler: (args) => demo(args),
};

/** What is wrong with the numbers, or true. */
function usageProblem(args: DemoArguments): string | true {
  const { seed, port } = args;
  const counts = {
    steps: args.steps,
    'pretrain-steps': args['pretrain-steps'],
    'reference-steps': args['reference-steps'],
    'test-images': args['test-images'],
  };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isInteger(value) || value < 1) {
      return `--${name} must be a whole number from 1`;
    }
  }
  if (!Number.isInteger(seed)) {
    return '--seed must be a whole number';
  }
  const isPort = port === undefined || (Number.isInteger(port) && port >= 0 && port <= 65535);
  return isPort || '--port must be a whole number from 0 to 65535';
}

/** How `watch` is called where this runs: in a clone, npx does not know the project's own command. */
function watchCall(): string {
  return import.meta.url.includes('/node_modules/') ? 'npx mergeguard watch' : 'npm run watch --';
}

async function demo(args: DemoArguments): Promise<void> {
  const config = args.config === undefined ? resolveConfig(DEMO_CONFIG) : loadConfig(args.config);
  const backend = await openBackend(args.backend as BackendChoice);
  const opened = await openDemo({
    data: args.data ?? null,
    task: args.task ?? null,
    references: args.references?.split(',').map((name) => name.trim()) ?? null,
    steps: args.steps,
    pretrainSteps: args['pretrain-steps'],
    referenceSteps: args['reference-steps'],
    testImages: args['test-images'],
    seed: args.seed,
    cache: args.cache,
    config,
  });
  const reporter = new DemoReporter(args.json === true, process.stdout, process.stderr);
  const stop = stopOnRequest(args.cache);
  let server: Server | null = null;
  try {
    if (args.server) {
      server = await startServer({ host: config.server.host, port: args.port ?? config.server.port });
      server.attach(opened.run, opened.guard.events, opened.guard);
    }
    tell(`mergeguard guards ${opened.run} on ${backend.name} (${backend.description})`);
    if (server) {
      const watch = `${watchCall()} ${server.url.replace('http', 'ws')}`;
      tell(`Watch it live: ${server.url}/ in a browser, or \`${watch}\` in another terminal`);
    }
    opened.guard.events.subscribe((event) => reporter.show(event));
    const result = await opened.play(stop.signal);
    reporter.close();
    tell(summary(result));
  } catch (error) {
    reporter.close();
    if (!(error instanceof Stopped)) {
      throw error;
    }
    tell(`mergeguard: ${error.message}`);
    process.exitCode = error.exitCode;
  } finally {
    stop.release();
    await server?.close();
  }
}

/** The demo was told to stop before its end. */
class Stopped extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Aborted by the first Ctrl-C or SIGTERM (the second one kills as ever), or when nobody reads the output any more. */
function stopOnRequest(cache: string): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const kept = `finished models are kept in ${cache}`;
  const interrupt = () => controller.abort(new Stopped(`stopped by SIGINT; ${kept}`, 130));
  const terminate = () => controller.abort(new Stopped(`stopped by SIGTERM; ${kept}`, 143));
  process.once('SIGINT', interrupt).once('SIGTERM', terminate);
  process.stdout.on('error', () =>
    controller.abort(new Stopped(`stopped, standard output was closed; ${kept}`, 1)),
  );
  return {
    signal: controller.signal,
    release: () => process.removeListener('SIGINT', interrupt).removeListener('SIGTERM', terminate),
  };
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
  for (const { reference, method, predicted, low, high, inDomain, real } of outcomes) {
    const interval = low === null ? ''.padEnd(15) : `(${percent(low)} to ${percent(high)})`;
    lines.push(
      `  ${reference.padEnd(18)} ${method.padEnd(16)}   ${percent(predicted)}${inDomain ? ' ' : '!'}   ${interval}   ${percent(real)}`,
    );
  }
  lines.push(
    '',
    '  Normalised accuracy: each task over the accuracy of its own fine-tuned model, both averaged, in %.',
  );
  if (outcomes.some(({ inDomain }) => !inDomain)) {
    lines.push('  ! the metrics lay outside the domain of the fingerprint: take the prediction as a hint.');
  }
  if (error !== null) {
    lines.push(`  Mean absolute error of the predictions: ${(100 * error).toFixed(1)} points.`);
  }
  return lines.join('\n');
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
