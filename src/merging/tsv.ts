import { z } from 'zod';
import {
  columnVectors,
  type DenseMatrix,
  dotProducts,
  inverseRoot,
  rowVectors,
  singularTriplets,
} from '../spectral/index.js';
import { combine, evenly } from './combination.js';
import { defineMethod } from './merge-method.js';

/**
 * TSV-Merge. Of each of the k task vectors of an m x n matrix the first floor(min(m, n) / k) singular triplets, at least one; their left
 * vectors side by side are made orthonormal, changing them as little as possible, and so are the right ones; the merged
 * task vector is what these make with the singular values as they were.
 *
 * Only singular values that stand out of float32 rounding count, and of the vectors side by side only the directions that do (its code
 * keeps what is there): so no null vector has a say, a model merged with itself gives its own best approximation of that rank, and
 * neither the order of models nor the signs of singular vectors matter. Zero task vectors add nothing. Other tensors,
 * convolutions too: the mean.
 */
export const tsv = defineMethod({
  name: 'tsv',
  parameters: z.strictObject({
    coefficient: z.number().min(0).max(3).default(1).describe('factor on the merged task vector'),
  }),
  idParameter: 'coefficient',
  source:
    'Gargiulo et al. 2024, arXiv 2412.00081, TSV-Merge; as in its code what is not a matrix is averaged (and text_projection, which here is a matrix like others), and the coefficient holds for all tensors',
  decomposes: true,
  mergeTensor({ shape, taus }, { coefficient }) {
    if (shape.length !== 2) {
      return combine(taus, evenly(taus.length, coefficient / taus.length));
    }
    const [rows, columns] = shape as [number, number];
    const share = Math.max(1, Math.floor(Math.min(rows, columns) / taus.length));
    const models = taus.map((data) => singularTriplets({ rows, columns, data }, share));
    const merged = orthogonalised(
      Float64Array.from(models.flatMap(({ values }) => [...values])),
      stacked(models.map(({ left }) => left)),
      stacked(models.map(({ right }) => right)),
    );
    return Float32Array.from(merged, (value) => coefficient * value);
  },
});

/** All rows of matrices of one width, under each other. */
function stacked(matrices: readonly DenseMatrix[]): DenseMatrix {
  const { columns } = matrices[0]!;
  const rows = matrices.reduce((sum, matrix) => sum + matrix.rows, 0);
  const data = new Float64Array(rows * columns);
  let at = 0;
  for (const matrix of matrices) {
    data.set(matrix.data, at);
    at += matrix.data.length;
  }
  return { rows, columns, data };
}

/** U S V^T [m, n] of the orthonormal columns U and V that are nearest to the rows of `left` [count, m] and `right` [count, n]. */
function orthogonalised(values: Float64Array, left: DenseMatrix, right: DenseMatrix): Float64Array {
  const count = values.length;
  const square = (data: Float64Array): DenseMatrix => ({ rows: count, columns: count, data });
  const weighted = inverseRoot(right).map((entry, i) => entry * values[Math.floor(i / count)]!);
  // left^T (root S root) right; what is in between goes to the shorter side.
  const core = square(dotProducts(columnVectors(square(inverseRoot(left))), columnVectors(square(weighted))));
  if (left.columns >= right.columns) {
    const data = dotProducts(rowVectors(core), columnVectors(right));
    return dotProducts(columnVectors(left), columnVectors({ ...right, data }));
  }
  const data = dotProducts(columnVectors(core), columnVectors(left));
  return dotProducts(columnVectors({ ...left, data }), columnVectors(right));
}
