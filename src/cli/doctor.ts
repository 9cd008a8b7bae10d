import { arch, cpus, platform, totalmem } from 'node:os';
import {
  BACKEND_NAMES,
  type BackendName,
  openBackend,
  type Survey,
  surveyBackends,
} from '../backend/index.js';
import { shippedFingerprints } from '../fingerprint/index.js';
import { VERSION } from '../guard/index.js';
import type { Command } from './command.js';
import { measureDevices } from './doctor/devices.js';
import { deviceLines, tapCost } from './doctor/tap-lines.js';

interface DoctorArguments {
  json?: boolean;
  gpu?: boolean;
  backend?: BackendName;
  parameters?: number;
  references?: number;
}

/** The model that `--gpu` speaks of where nothing is said. */
const PARAMETERS = 1e8;
const REFERENCES = 4;

/**
 * `mergeguard doctor`: which backends open here, why the others do not, and what to install; with `--gpu` how fast the devices are,
 * and what the tap should cost on them.
 */
export const doctorCommand: Command<DoctorArguments> = {
  builder: (yargs) =>
    yargs
      .options({
        json: { type: 'boolean', describe: 'Print one JSON object' },
        gpu: {
          type: 'boolean',
          describe: 'Measure the devices, and tell what the tap should cost on them',
        },
        backend: {
          choices: BACKEND_NAMES,
          requiresArg: true,
          describe: 'Measure this backend only, for --gpu',
        },
        parameters: {
          type: 'number',
          requiresArg: true,
          describe: `Parameters of the model, for --gpu [default: ${PARAMETERS}]`,
        },
        references: {
          type: 'number',
          requiresArg: true,
          describe: `Reference models, for --gpu [default: ${REFERENCES}]`,
        },
      })
      .check(({ gpu, backend, parameters, references }) => {
        const idle = Object.entries({ backend, parameters, references }).find(
          ([, value]) => value !== undefined,
        );
        if (!gpu && idle) {
          return `--${idle[0]} says what --gpu measures; give --gpu too`;
        }
        if (parameters !== undefined && (!Number.isSafeInteger(parameters) || parameters < 1)) {
          return `--parameters is ${parameters}; give a whole number from 1`;
        }
        if (references !== undefined && (!Number.isSafeInteger(references) || references < 0)) {
          return `--references is ${references}; give a whole number from 0`;
        }
        return true;
      }),
  handler: (args) => doctor(args),
};

async function doctor(args: DoctorArguments): Promise<void> {
  const { json, gpu, backend, parameters = PARAMETERS, references = REFERENCES } = args;
  if (gpu) {
    // TensorFlow would take all of a GPU's memory when it first computes, and leave none to webgpu in this process.
    process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  }
  const backends = await surveyBackends();
  const chosen = (await openBackend('auto')).name;
  const fingerprints = await shippedFingerprints();
  const machine = {
    mergeguard: VERSION,
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
  const watched = { parameters, references };
  const devices = gpu ? await measureDevices(backends, backend) : [];
  if (json) {
    const measured = devices.map((device) => ({ ...device, tap: tapCost(device, watched) }));
    const report = { ...machine, chosen, backends, fingerprints, ...(gpu && { devices: measured }) };
    console.log(JSON.stringify(report));
    return;
  }
  console.log(
    `mergeguard ${VERSION}, node ${machine.node}, ${machine.platform}, ${machine.cores} cores, ${machine.memoryGiB} GiB`,
  );
  console.log('\nBackends, best first:');
  for (const each of backends) {
    console.log(describe(each, chosen));
  }
  console.log(`\nShipped fingerprints: ${fingerprints.join(', ') || 'none'}`);
  for (const device of devices) {
    console.log(deviceLines(device, watched).join('\n'));
  }
}

function describe({ name, opens, description, advice }: Survey, chosen: string): string {
  if (opens) {
    const mark = name === chosen ? '   <- --backend auto takes this one' : '';
    return `  ok  ${name.padEnd(11)} ${description}${mark}`;
  }
  return `  --  ${name.padEnd(11)} ${description}\n      ${''.padEnd(11)} to get it: ${advice}`;
}
