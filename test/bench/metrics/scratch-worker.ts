import type { DenseMatrix } from '../../../src/spectral/index.js';
import { gramSide } from '../../../src/spectral/small-side.js';
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
  // The longer side: one product of the matrix with all n vectors.
  const isTall = rows >= columns;
  const length = isTall ? rows : columns;
  const long = new Float64Array(length * n);
  for (let i = 0; i < length; i++) {
    for (let v = 0; v < n; v++) {
      let sum = 0;
      for (let j = 0; j < n; j++) {
        sum += (isTall ? data[i * columns + j]! : data[j * columns + i]!) * small[v * n + j]!;
      }
      long[i * n + v] = sum / values[v]!;
    }
  }
  return long[0]! + values[0]!;
});
