import { PANEL, Products, packPanel, panelOf, TILE, type Vectors } from './panels.js';

/**
 * The inner products of every vector of x with every vector of y, [x.count, y.count]; both of one length. Which product of two
 * matrices that is depends on whether their rows or their columns are the vectors. Float64 whatever the entries are.
 */
export function dotProducts(x: Vectors, y: Vectors): Float64Array {
  const products = new Products(x.count, y.count);
  const [p, q] = [panelOf(x.count), panelOf(y.count)];
  for (let start = 0; start < x.length; start += PANEL) {
    const length = packPanel(x, start, p);
    packPanel(y, start, q);
    for (let one = 0; one < x.count; one += TILE) {
      for (let other = 0; other < y.count; other += TILE) {
        products.addTile(p, one, q, other, length);
      }
    }
  }
  return products.values;
}
