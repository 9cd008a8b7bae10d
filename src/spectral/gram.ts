import { columnVectors, PANEL, Products, packPanel, panelOf, rowVectors, TILE } from './panels.js';
import type { DenseMatrix } from './parts.js';

/**
 * A^T A, or A A^T with `ofRows`, as a full symmetric matrix [n, n], n the number of columns (rows). Products and sums
 * are in float64 whatever A is. m n² multiplications for the m rows (columns) that are summed over, n² + 256 n floats
 * of memory beside A.
 */
export function gramMatrix(matrix: DenseMatrix, ofRows = false): Float64Array {
  const vectors = ofRows ? rowVectors(matrix) : columnVectors(matrix);
  const n = vectors.count;
  const products = new Products(n, n);
  const panel = panelOf(n);
  for (let start = 0; start < vectors.length; start += PANEL) {
    const length = packPanel(vectors, start, panel);
    for (let one = 0; one < n; one += TILE) {
      for (let other = one; other < n; other += TILE) {
        products.addTile(panel, one, panel, other, length);
      }
    }
  }
  const gram = products.values;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      gram[i * n + j] = gram[j * n + i]!;
    }
  }
  return gram;
}
