import type { DenseMatrix } from '../../../src/spectral/index.js';
import { gramSide } from '../../../src/spectral/small-side.js';
import { addScaled, dotAt } from '../../../src/spectral/vectors.js';
import { serveThread } from '../../../src/threads/index.js';

/**
 * A whole thin singular value decomposition, U [rows, n], S and V [columns, n], in the fastest way that this project knows. Only a
 * number leaves the thread, so that moving the result is not held against it.
 */
serveThread((matrix: DenseMatrix): number => {
  const { rows, columns, data } = matrix;
  const n = Math.min(rows, columns);
  const side = gramSide(matrix);
  const values = side.values(0, n);
  const small = side.vectors(0, n);
  // The longer side: one product of the matrix with all n vectors, row by row.
  const isTall = rows >= columns;
  const length = isTall ? rows : columns;
  const long = new Float64Array(length * n);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.set(data.subarray(i * columns, (i + 1) * columns));
    for (let v = 0; v < n; v++) {
      if (isTall) {
        long[v * length + i] = dotAt(row, 0, small, v * n, columns) / values[v]!;
      } else {
        addScaled(small[v * n + i]! / values[v]!, row, 0, long, v * length, columns);
      }
    }
  }
  return long[0]! + values[0]!;
});
