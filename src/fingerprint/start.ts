import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { type Point, type Program, residual } from './program.js';

/** width of the rounded corner of |r|, per round: from one standard deviation down to a thousandth */
const CORNERS = Array.from({ length: 14 }, (_, round) => Math.max(1e-3, 0.5 ** round));
/** smaller than this, a coefficient that has a price starts at zero */
const NEGLIGIBLE = 2e-3;

/**
 * A point near the optimum by iteratively reweighted least squares (|r| ~ r² / |r of the round before|): O(n q²)
 * a round. It only has to be near: the linear program starts from it, and is what decides.
 */
export function nearOptimum(program: Program): Point {
  const { design, target, prices } = program;
  const n = target.length;
  const size = 1 + prices.length;
  const rows = design.map((columns) => Float64Array.of(1, ...columns));
  let point: Point = { intercept: 0, coefficients: prices.map(() => 0) };
  for (const corner of CORNERS) {
    const normal = Array.from({ length: size }, () => new Float64Array(size));
    const right = new Float64Array(size);
    rows.forEach((row, i) => {
      const trust = 1 / Math.max(corner, Math.abs(residual(program, i, point)));
      for (let a = 0; a < size; a++) {
        if (row[a] !== 0) {
          const scaled = trust * row[a];
          right[a] += scaled * target[i];
          const line = normal[a];
          for (let b = 0; b <= a; b++) {
            line[b] += scaled * row[b];
          }
        }
      }
    });
    for (let a = 0; a < size; a++) {
      const price = a === 0 ? 0 : prices[a - 1] / Math.max(corner, Math.abs(point.coefficients[a - 1]));
      // a touch more than nothing, where columns depend on each other and have no price
      normal[a][a] += n * (price + 1e-9);
      for (let b = 0; b < a; b++) {
        normal[b][a] = normal[a][b];
      }
    }
    const factors = new CholeskyDecomposition(normal);
    if (!factors.isPositiveDefinite()) {
      break;
    }
    const [intercept, ...coefficients] = factors.solve(Matrix.columnVector(right)).to1DArray();
    point = { intercept, coefficients };
  }
  return {
    intercept: point.intercept,
    coefficients: point.coefficients.map((c, j) => (Math.abs(c) < NEGLIGIBLE && prices[j] > 0 ? 0 : c)),
  };
}
