import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { BACKEND_NAMES } from '../../src/backend/index.js';
import { type Row, shortLine, tableLines, verdictLines } from './backends/lines.js';
import type { Answer, Order } from './backends/measure-child.js';
import { MODEL_NAMES } from './backends/models.js';
import { BATCH, REFERENCES } from './common/guarded-steps.js';

/**
 * Step time of the demo's transformer and of one with 21 M parameters, plain and guarded, on every backend that opens, and how much faster
 * tensorflow is than wasm. `npm run bench:backends [-- --backends wasm,tensorflow --models demo,20m --seconds 30 --steps N
 * --overhead 0.02 --json]`. Each of them in a process of its own: blocks of plain and of guarded steps in turn, each until the
 * device is done, for `--seconds` or `--steps` of each. Plain JavaScript and software adapters, which take minutes, run
 * where `--backends` names them.
 */
const { values } = parseArgs({
  options: {
    backends: { type: 'string' },
    models: { type: 'string', default: MODEL_NAMES.join(',') },
    seconds: { type: 'string', default: '30' },
    steps: { type: 'string' },
    overhead: { type: 'string', default: '0.02' },
    json: { type: 'boolean', default: false },
  },
});
/** A child that takes longer than its blocks and this has hung: attaching to 21 M parameters takes a minute on slow backends. */
const SETUP_SECONDS = 240;

const backends = values.backends
  ? oneOf(values.backends, BACKEND_NAMES)
  : BACKEND_NAMES.filter((name) => name !== 'cpu');
const models = oneOf(values.models, MODEL_NAMES);
const tell = values.json ? console.error : console.log;
tell(
  `node ${process.version}, ${cpus().length} cores (${cpus()[0].model}), load average ${loadavg()[0].toFixed(1)}; batch ${BATCH}, Adam, ${REFERENCES} references, 128 calibration samples, budget ${100 * Number(values.overhead)} %\n`,
);
const rows: Row[] = [];
for (const backend of backends) {
  for (const model of models) {
    tell(`measuring ${model} on ${backend} ...`);
    const order: Order = {
      backend,
      model,
      overhead: Number(values.overhead),
      seconds: Number(values.seconds),
      steps: values.steps === undefined ? null : Number(values.steps),
      takesSoftware: values.backends !== undefined,
    };
    let answer = await measure(order);
    let unguarded: string | null = null;
    if ('problem' in answer && answer.isOpen) {
      // The model may fit without a guard, whose pass over 128 samples takes more memory than a batch.
      unguarded = answer.problem;
      tell(`  ${shortLine(answer)}; once more without a guard ...`);
      answer = await measure({ ...order, overhead: null });
    }
    rows.push({ backend, model, answer, unguarded });
    tell(`  ${shortLine(answer)}`);
  }
}
if (values.json) {
  console.log(JSON.stringify({ node: process.version, cores: cpus().length, cpu: cpus()[0].model, rows }));
} else {
  const left = BACKEND_NAMES.filter((name) => !backends.includes(name));
  console.log(`\n${[...tableLines(rows, left), '', ...verdictLines(rows)].join('\n')}`);
}

async function measure(order: Order): Promise<Answer> {
  const child = fork('test/bench/backends/measure-child.ts', [JSON.stringify(order)], {
    execArgv: ['--import', 'tsx'],
    env: { TF_CPP_MIN_LOG_LEVEL: '1', ...process.env },
    // What libraries print is not part of the table.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let answer: Answer | null = null;
  child.once('message', (message) => {
    answer = message as Answer;
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), 1000 * (3 * order.seconds + SETUP_SECONDS));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(limit);
  const end = signal ?? `exit code ${code}`;
  return answer ?? { problem: `the process ended (${end}) before it had measured`, isOpen: true };
}

function oneOf<Name extends string>(list: string, known: readonly Name[]): Name[] {
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(known as readonly string[]).includes(name));
  if (unknown.length > 0) {
    throw new Error(`unknown: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  }
  return names as Name[];
}
