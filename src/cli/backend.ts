import type { Argv } from 'yargs';
import { type InstallReport, installTensorflow, uninstallTensorflow } from '../backend/tensorflow/index.js';
import type { Command } from './command.js';
import { print, tell } from './print.js';
import { untilStopped } from './stop.js';

interface InstallArguments {
  libtensorflow?: string;
  fromWheel?: string;
  cuda?: string;
}

/** `mergeguard backend install tensorflow` and `mergeguard backend uninstall tensorflow`. */
export const backendCommand: Command<object> = {
  builder: (yargs) =>
    yargs
      .command({
        command: 'install <name>',
        describe: "Build tfjs-node's binding against a libtensorflow, try it out, and put it in place",
        builder: installOptions,
        handler: (args) => install(args as unknown as InstallArguments),
      })
      .command({
        command: 'uninstall <name>',
        describe: 'Remove what install has put in place',
        builder: nameOption,
        handler: uninstall,
      })
      .demandCommand(1, 'Name what to do: install or uninstall.'),
  handler: async () => undefined,
};

function nameOption(yargs: Argv) {
  return yargs.positional('name', {
    choices: ['tensorflow'] as const,
    demandOption: true,
    describe: 'The backend',
  });
}

function installOptions(yargs: Argv) {
  return nameOption(yargs)
    .options({
      libtensorflow: {
        type: 'string',
        requiresArg: true,
        describe:
          "An unpacked libtensorflow (2.9 or later), or `tensorflow` in a Python installation's site-packages; used where it lies",
      },
      'from-wheel': {
        type: 'string',
        requiresArg: true,
        describe: 'A wheel of tensorflow or tensorflow-cpu; its libraries are unpacked',
      },
      cuda: {
        type: 'string',
        requiresArg: true,
        describe: "With --from-wheel: the folder that `nvidia`, of NVIDIA's pip packages, is in",
      },
    })
    .check(({ libtensorflow, 'from-wheel': wheel, cuda }) => {
      if ((libtensorflow === undefined) === (wheel === undefined)) {
        return wheel === undefined
          ? 'Give --libtensorflow FOLDER or --from-wheel FILE: where libtensorflow is.'
          : '--libtensorflow and --from-wheel exclude each other: leave one of the two out.';
      }
      if ([libtensorflow, wheel, cuda].includes('')) {
        return 'A path must not be empty.';
      }
      return (
        cuda === undefined ||
        wheel !== undefined ||
        '--cuda goes with --from-wheel: other libraries look beside themselves'
      );
    });
}

async function install({ libtensorflow, fromWheel, cuda }: InstallArguments): Promise<void> {
  await untilStopped([], async (signal) => {
    const report = await installTensorflow({ libtensorflow, wheel: fromWheel, cuda, onStep: tell, signal });
    print(describe(report));
  });
}

function describe({ version, from, folder, usedGpu, cuda, warnings }: InstallReport): string[] {
  const missing = cuda.filter(({ path }) => path === null);
  return [
    `libtensorflow ${version} of ${from} is the backend tensorflow from now on; it uses ${usedGpu ? 'a GPU' : 'the CPU'}`,
    `it is in ${folder}; \`mergeguard backend uninstall tensorflow\` removes it`,
    ...cuda.map(
      ({ name, wanted, path, foreign }) =>
        `  ${(wanted ?? name).padEnd(18)} ${path ?? `not found${foreign === null ? '' : `; ${foreign} is of another version`}`}`,
    ),
    ...(missing.length > 0
      ? [
          `without ${missing.map(({ name }) => name).join(', ')} no GPU is used; ` +
            `\`pip install ${missing.map(({ pipPackage }) => pipPackage).join(' ')}\` brings what is missing (docs/tensorflow.md says where to)`,
        ]
      : []),
    ...(usedGpu ? [] : warnings.map((warning) => `  TensorFlow: ${warning}`)),
  ];
}

async function uninstall(): Promise<void> {
  const was = await uninstallTensorflow();
  print([was ? 'the backend tensorflow is removed' : 'nothing was installed']);
}
