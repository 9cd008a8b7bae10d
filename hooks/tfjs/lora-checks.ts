import { listProblems, MergeguardError, type NamedTensors } from '../../src/tensors/index.js';
import { type Layout, valuesOf } from './layout.js';

/** @throws MergeguardError for a scale that is none, or that nothing is scaled by */
export function checkLora(lora: { readonly scale: number } | undefined, { shared }: Layout): void {
  if (lora === undefined) {
    return;
  }
  if (!(Number.isFinite(lora.scale) && lora.scale > 0)) {
    throw new MergeguardError(`lora.scale is ${lora.scale}, but must be a number above 0: alpha / r`);
  }
  if (shared.every(({ factors }) => factors === null)) {
    throw new MergeguardError(
      'lora.scale is given, but no weight is the factor of a LoRA adapter; name them `.../lora_A` and `.../lora_B`',
    );
  }
}

/**
 * A matrix with an adapter is frozen, so it is the base's own; its task vector comes from the factors alone.
 * @throws MergeguardError with every matrix that differs from the base
 */
export async function checkAdaptedMatrices({ shared }: Layout, base: NamedTensors): Promise<void> {
  const problems: string[] = [];
  for (const tensor of shared.filter(({ factors }) => factors !== null)) {
    const { data } = (await valuesOf([tensor])).get(tensor.name)!;
    const expected = base.get(tensor.name)!.data;
    const different = data.reduce((count, value, i) => count + (Object.is(value, expected[i]) ? 0 : 1), 0);
    if (different > 0) {
      problems.push(`${tensor.name}: ${different} of ${data.length} values differ`);
    }
  }
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(
        'frozen matrices with a LoRA adapter are not those of the base that was given; load the base into them, and what was trained into the factors:',
        problems,
      ),
    );
  }
}
