import { type Addend, addCombination } from '../../merging/index.js';
import type { Dtype } from '../../tensors/index.js';
import type { ModelAtRest } from '../model.js';
import type { NamedCheckpoint, Values } from '../named-checkpoint.js';
import { limitOf, overflow } from './encode-merged.js';
import type { SumRule } from './merge-rule.js';
import type { MergedOutput } from './merged-output.js';
import { notFinite, readTau } from './read-stretch.js';
import type { Stretch } from './stretches.js';

/** Read of one stretch: fresh arrays, every one as it lies in its file. */
interface Read {
  readonly base: Values;
  readonly addends: readonly (Addend & { readonly model: string })[];
}

/**
 * Writes a stretch of a merge that is a sum, under all its names. The sum tells whether everything that went in was finite, so that it
 * alone is looked at: NaN and infinity stay such whatever is added to them and whatever they are multiplied by, zero included.
 * @throws MergeguardError where a value of the base or of a model is NaN or infinite, or the sum is none in the dtype
 */
export async function sumStretch(
  stretch: Stretch,
  names: readonly string[],
  { base, models, rule }: { base: NamedCheckpoint; models: readonly ModelAtRest[]; rule: SumRule },
  output: MergedOutput,
): Promise<void> {
  const { combination, scale } = rule;
  const read = await readAddends(stretch, base, models, combination.weights);
  for (const name of names) {
    const dtype = output.dtype(name);
    const values = names.length > 1 ? arrayFor(dtype, stretch.range.count) : inPlace(read.base, dtype);
    const settings = { factor: combination.factor, scale, limit: limitOf(dtype) };
    const bad = addCombination(read.base, read.addends, settings, values);
    if (bad >= 0) {
      throw blame(bad, stretch.tensor.name, read, settings, dtype);
    }
    await output.write(name, values, stretch.range.start);
  }
}

async function readAddends(
  stretch: Stretch,
  base: NamedCheckpoint,
  models: readonly ModelAtRest[],
  weights: readonly number[],
): Promise<Read> {
  const { tensor, range } = stretch;
  const readModel = async (model: ModelAtRest, weight: number) => {
    const own = model.form(tensor.name) === 'dense' ? model.weights(tensor.name, range) : null;
    // Only of weights the base is taken.
    const values = await (own ?? readTau(stretch, model, () => base.read(tensor.name, range)));
    return { model: model.name, values, isTau: own === null, weight };
  };
  const [from, addends] = await Promise.all([
    base.read(tensor.name, range),
    Promise.all(models.map((model, m) => readModel(model, weights[m]!))),
  ]);
  return { base: from, addends };
}

function arrayFor(dtype: Dtype, length: number): Values {
  return dtype === 'F64' ? new Float64Array(length) : new Float32Array(length);
}

/** The base's own array where it is of the kind that is written, since fresh memory is dear. */
function inPlace(base: Values, dtype: Dtype): Values {
  const fits = base instanceof Float64Array === (dtype === 'F64');
  return fits ? base : arrayFor(dtype, base.length);
}

/** Why the value at a place of a stretch can not be written. */
function blame(
  at: number,
  tensor: string,
  { base, addends }: Read,
  { factor, scale }: { readonly factor: number; readonly scale: number },
  dtype: Dtype,
): Error {
  if (!Number.isFinite(base[at]!)) {
    return notFinite(tensor, 'the base');
  }
  const taus = addends.map(({ values, isTau }) => Math.fround(values[at]! - (isTau ? 0 : base[at]!)));
  const broken = taus.findIndex((tau) => !Number.isFinite(tau));
  if (broken >= 0) {
    return notFinite(tensor, addends[broken]!.model);
  }
  const sum = taus.reduce((total, tau, m) => total + addends[m]!.weight * tau, 0);
  const value = base[at]! + scale * Math.fround(factor * sum);
  return overflow(tensor, dtype === 'F64' ? value : Math.fround(value), dtype);
}
