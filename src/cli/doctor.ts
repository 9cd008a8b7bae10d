import { arch, cpus, platform, totalmem } from 'node:os';
import { openBackend, type Survey, surveyBackends } from '../backend/index.js';
import { shippedFingerprints } from '../fingerprint/index.js';
import { VERSION } from '../guard/index.js';
import type { Command } from './command.js';

interface DoctorArguments {
  json?: boolean;
}

/** `mergeguard doctor`: which backends open here, why the others do not, and what to install. */
export const doctorCommand: Command<DoctorArguments> = {
  builder: (yargs) => yargs.options({ json: { type: 'boolean', describe: 'Print one JSON object' } }),
  handler: (args) => doctor(args),
};

async function doctor({ json }: DoctorArguments): Promise<void> {
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
  if (json) {
    console.log(JSON.stringify({ ...machine, chosen, backends, fingerprints }));
    return;
  }
  console.log(
    `mergeguard ${VERSION}, node ${machine.node}, ${machine.platform}, ${machine.cores} cores, ${machine.memoryGiB} GiB`,
  );
  console.log('\nBackends, best first:');
  for (const backend of backends) {
    console.log(describe(backend, chosen));
  }
  console.log(`\nShipped fingerprints: ${fingerprints.join(', ') || 'none'}`);
}

function describe({ name, opens, description, advice }: Survey, chosen: string): string {
  if (opens) {
    const mark = name === chosen ? '   <- --backend auto takes this one' : '';
    return `  ok  ${name.padEnd(11)} ${description}${mark}`;
  }
  return `  --  ${name.padEnd(11)} ${description}\n      ${''.padEnd(11)} to get it: ${advice}`;
}
