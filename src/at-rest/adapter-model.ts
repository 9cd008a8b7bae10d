import {
  type AdaptedMatrix,
  formatShape,
  listProblems,
  MergeguardError,
  nearest,
  openAdapter,
  type WholeTensor,
} from '../tensors/index.js';
import { subtract } from './checkpoint-model.js';
import type { ModelAtRest } from './model.js';
import type { Excluded, NamedCheckpoint } from './named-checkpoint.js';

/**
 * A LoRA adapter: low-rank task vectors of the matrices that it adapts, whole tensors (modules_to_save) minus the base's, and zero
 * everywhere else, but for tensors that it moves by what is not read: those it does not have.
 * @param precise values as float64; else float32
 * @throws MergeguardError where it adapts what the base does not have, or has in another shape
 */
export async function openAdapterModel(
  path: string,
  name: string,
  base: NamedCheckpoint,
  precise: boolean,
): Promise<ModelAtRest> {
  const adapter = await openAdapter(path, precise);
  const matrices = new Map(adapter.matrices.map((matrix) => [matrix.name, matrix]));
  const wholes = new Map<string, WholeTensor>();
  // Of several reasons for one name the first is shown.
  const excluded: Excluded[] = adapter.skipped.filter(({ lost }) => lost);
  const lost = new Set(excluded.map((each) => each.name));
  for (const whole of adapter.whole) {
    if (base.shapes.has(whole.name)) {
      wholes.set(whole.name, whole);
    } else {
      excluded.push({ name: whole.name, reason: `in ${name}, not in the base` });
    }
  }
  excluded.push(...adapter.skipped.filter((each) => !each.lost));
  const problems = adapterProblems([...matrices.values()], [...wholes.values()], base);
  if (problems.length > 0) {
    await adapter.close();
    const heading = `the adapter ${name} does not fit the base ${base.path} (it was trained on ${adapter.baseModel ?? 'a base that it does not name'}):`;
    throw new MergeguardError(listProblems(heading, problems));
  }
  return {
    name,
    path,
    kind: 'adapter',
    task: name,
    shapes: new Map([...base.shapes].filter(([tensor]) => !lost.has(tensor))),
    excluded,
    baseHash: null,
    form: (tensor) => (matrices.has(tensor) ? 'low-rank' : wholes.has(tensor) ? 'dense' : 'zero'),
    async tau(tensor, range, readBase) {
      const [values, from] = [await wholes.get(tensor)!.read(range), await readBase()];
      return subtract(values, from);
    },
    weights: (tensor, range) => wholes.get(tensor)!.read(range),
    factors: (tensor) => matrices.get(tensor)!.read(),
    storedParts: async () => undefined,
    close: () => adapter.close(),
  };
}

function adapterProblems(
  matrices: readonly AdaptedMatrix[],
  wholes: readonly WholeTensor[],
  base: NamedCheckpoint,
): string[] {
  const problems: string[] = [];
  const known = [...base.shapes.keys()];
  for (const { name, shape } of [...matrices, ...wholes]) {
    const expected = base.shapes.get(name);
    if (expected === undefined) {
      const meant = nearest(name, known);
      problems.push(
        `${name} is ${formatShape(shape)} there, missing in the base${meant === null ? '' : `; nearest there: ${meant}`}`,
      );
    } else if (formatShape(expected) !== formatShape(shape)) {
      problems.push(`${name} is ${formatShape(shape)} there, ${formatShape(expected)} in the base`);
    }
  }
  return problems;
}
