import highsModule, { type Highs, type ModelData } from 'highs';
import type { Program } from '../../src/fingerprint/program.js';

// its types describe the CommonJS build; the ES module's default export is the loader itself
export const loadHighs = highsModule as unknown as typeof highsModule.default;

/** Optimum of a program by HiGHS, an independent solver. */
export function highsObjective(highs: Highs, program: Program): number {
  return highs.withModel((model) => {
    model.options.set({ output_flag: false });
    model.passModel(textbookForm(highs, program));
    model.run();
    if (model.getModelStatus() !== highs.constants.modelStatus.optimal) {
      throw new Error(`${program.label}: HiGHS ends with model status ${model.getModelStatus()}`);
    }
    return model.getObjectiveValue();
  });
}

/**
 * One equality a row, b + x.(c+ - c-) + r+ - r- = y with b free and the rest not negative; costs 1/n of a residual
 * and the price of a coefficient. Columns in this order: b, c+ and c- in turn, r+ and r- in turn.
 */
function textbookForm({ infinity }: Highs, { design, target, prices }: Program): ModelData {
  const n = target.length;
  const size = 1 + 2 * prices.length + 2 * n;
  const starts = [0];
  const indices: number[] = [];
  const values: number[] = [];
  design.forEach((columns, i) => {
    const residual = 1 + 2 * prices.length + 2 * i;
    indices.push(0, residual, residual + 1);
    values.push(1, 1, -1);
    columns.forEach((x, j) => {
      if (x !== 0) {
        indices.push(1 + 2 * j, 2 + 2 * j);
        values.push(x, -x);
      }
    });
    starts.push(indices.length);
  });
  return {
    numCols: size,
    numRows: n,
    colCost: [0, ...prices.flatMap((price) => [price, price]), ...new Array<number>(2 * n).fill(1 / n)],
    colLower: [-infinity, ...new Array<number>(size - 1).fill(0)],
    colUpper: new Array<number>(size).fill(infinity),
    rowLower: target,
    rowUpper: target,
    matrix: { format: 'csr', numRows: n, numCols: size, starts, indices, values },
  };
}
