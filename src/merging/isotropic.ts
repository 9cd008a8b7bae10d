import { z } from 'zod';
import { columnVectors, dotProducts, singularTriplets } from '../spectral/index.js';
import { combine, evenly } from './combination.js';
import { defineMethod } from './merge-method.js';

/**
 * Iso-C: the sum of a matrix' task vectors with all its singular values replaced by their mean. Only singular values that stand out of
 * float32 rounding count, for the mean too: directions that a sum of low rank does not have stay without weight (its code gives
 * all min(m, n) directions, the arbitrary ones included, the mean over all), and the nuclear norm of the sum is kept. A sum of
 * zero stays zero. Other tensors, convolutions too: the mean. The sum in float64.
 */
export const isotropic = defineMethod({
  name: 'isotropic',
  parameters: z.strictObject({
    coefficient: z.number().min(0).max(3).default(1).describe('factor on the merged task vector'),
  }),
  idParameter: 'coefficient',
  source:
    'Marczak et al. 2025, arXiv 2502.04959, Iso-C; as in its code what is not a matrix is averaged, and the coefficient, which it chooses on validation data from 0 to 3, holds for all tensors (1 by default, as in FusionBench)',
  decomposes: true,
  mergeTensor({ shape, taus }, { coefficient }) {
    if (shape.length !== 2) {
      return combine(taus, evenly(taus.length, coefficient / taus.length));
    }
    const [rows, columns] = shape as [number, number];
    const { values, left, right } = singularTriplets(
      { rows, columns, data: sumOf(taus) },
      Math.min(rows, columns),
    );
    const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
    const merged = dotProducts(columnVectors(left), columnVectors(right));
    return Float32Array.from(merged, (value) => coefficient * mean * value);
  },
});

function sumOf(taus: readonly Float32Array[]): Float64Array {
  const sum = new Float64Array(taus[0]!.length);
  for (const tau of taus) {
    for (let i = 0; i < sum.length; i++) {
      sum[i]! += tau[i]!;
    }
  }
  return sum;
}
