import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { type FoldWay, foldWays } from '../../../../hooks/tfjs/gradient-fold/index.js';
import { WorkingFold } from '../../../../hooks/tfjs/gradient-fold/working-fold.js';
import { type SumsWay, sumsWays } from '../../../../hooks/tfjs/tick-sums/index.js';
import { WorkingSums } from '../../../../hooks/tfjs/tick-sums/working-sums.js';
import { openBackend } from '../../../../src/backend/index.js';
import { FoldCase } from '../gradient-fold/fold-case.js';
import { SumsCase } from '../tick-sums/sums-case.js';

beforeAll(() => openBackend('wasm'));

let warn: MockInstance<typeof process.emitWarning>;
beforeEach(() => {
  warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => warn.mockRestore());

/** A mock: a way whose functions run in a trial and fail where it is in earnest, as the plain one does everything else. */
function broken<Made extends object>(
  plain: { make(sources: never): Made },
  method: keyof Made,
  message: string,
) {
  const make = (sources: never) => {
    const made = plain.make(sources);
    vi.spyOn(made as Record<keyof Made, () => void>, method as never).mockImplementation((() => {
      throw new Error(message);
    }) as never);
    return made;
  };
  return { name: 'compiled', make };
}

const REFUSED = 'ptxas: argument list too long';
const OOM = 'OOM when allocating tensor';
const said = (what: string) =>
  `${what} are slower than they could be, by plain instead of compiled, which failed: ${REFUSED}`;

describe('a way that fails at its real size', () => {
  it('of taking sums gives its place to the next, with a warning of the process, and leaves nothing behind', async () => {
    const [plain] = sumsWays();
    const before = tf.memory().numTensors;
    const models = new SumsCase({ sizes: [300, 5], references: [true, false] });
    const ways = [broken(plain, 'measure', REFUSED) as SumsWay, plain];
    const found = await models.measured(
      { name: 'both', make: (given) => new WorkingSums(ways, given) },
      [0, 1],
    );
    expect(found).toEqual(await models.measured(plain, [0, 1]));
    expect(warn.mock.calls).toEqual([[said('ticks'), 'MergeguardDeviceWarning']]);
    models.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('of folding gives its place to the next as it is rehearsed, and leaves nothing behind', async () => {
    const [plain] = foldWays();
    const before = tf.memory().numTensors;
    const ways = [broken(plain, 'rehearse', REFUSED) as FoldWay, plain];
    const folding = new FoldCase(
      { name: 'both', make: (given) => new WorkingFold(ways, given) },
      { sizes: [300, 5], decay: 0.5 },
    );
    folding.rehearse();
    folding.fold([], 1);
    folding.fold([], 2);
    expect((await folding.read()).counters).toEqual([0.25, 0, 2]);
    expect(warn.mock.calls).toEqual([[said('folds of gradients'), 'MergeguardDeviceWarning']]);
    folding.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('keeps its place once it has worked, since the sums are its own', async () => {
    const [plain] = foldWays();
    const ways = [broken(plain, 'fold', REFUSED) as FoldWay, plain];
    const folding = new FoldCase(
      { name: 'both', make: (given) => new WorkingFold(ways, given) },
      { sizes: [300], decay: 0.5 },
    );
    folding.rehearse();
    expect(() => folding.fold([], 1)).toThrow(REFUSED);
    expect(warn).not.toHaveBeenCalled();
    folding.dispose();
  });

  it('keeps its place where the device has no room: with less memory taken it may work', async () => {
    const [plain] = sumsWays();
    const models = new SumsCase({ sizes: [300], references: [true] });
    const ways = [broken(plain, 'measure', OOM) as SumsWay, plain];
    const both = { name: 'both', make: (given: SumsCase['sources']) => new WorkingSums(ways, given) };
    await expect(models.measured(both, [0])).rejects.toThrow(OOM);
    expect(warn).not.toHaveBeenCalled();
    models.dispose();
  });
});
