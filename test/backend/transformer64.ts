import { type Array64, addBias64, dense64, map64, matMul64, transpose64, zeros64 } from './float64.js';

const SIDE = 28;
const PATCH = 7;
const TOKENS = 16;

/** The zoo's vision transformer, one image at a time: images [n, 28, 28] to logits [n, classes]. */
export function transformer64(
  images: Array64,
  parameters: ReadonlyMap<string, Array64>,
  { depth, heads, task }: { depth: number; heads: number; task: string },
): Array64 {
  const get = (name: string) => parameters.get(name) as Array64;
  const layer = (x: Array64, name: string) => dense64(x, get(`${name}/kernel`), get(`${name}/bias`));
  const norm = (x: Array64, name: string) => norm64(x, get(`${name}/gamma`), get(`${name}/beta`));
  const rows: number[] = [];
  for (let image = 0; image < images.shape[0]; image++) {
    const pixels = images.data.subarray(image * SIDE * SIDE, (image + 1) * SIDE * SIDE);
    let x = layer(patches(pixels), 'encoder/patch');
    x = add(x, get('encoder/position'));
    for (let block = 0; block < depth; block++) {
      const name = `encoder/blocks/${block}`;
      const mixed = attention(layer(norm(x, `${name}/norm1`), `${name}/attention/qkv`), heads);
      x = add(x, layer(mixed, `${name}/attention/out`));
      const hidden = layer(norm(x, `${name}/norm2`), `${name}/mlp/fc1`);
      const active = map64(hidden, (value) => value / (1 + Math.exp(-1.702 * value)));
      x = add(x, layer(active, `${name}/mlp/fc2`));
    }
    x = norm(x, 'encoder/norm');
    const width = x.shape[1];
    const pooled = zeros64([1, width]);
    x.data.forEach((value, index) => {
      pooled.data[index % width] += value / TOKENS;
    });
    rows.push(...layer(pooled, `head/${task}`).data);
  }
  return { shape: [images.shape[0], rows.length / images.shape[0]], data: Float64Array.from(rows) };
}

/** One image's patches of 7 x 7, row by row: [16, 49]. */
function patches(pixels: Float64Array): Array64 {
  const across = SIDE / PATCH;
  const cut = zeros64([TOKENS, PATCH * PATCH]);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const token = Math.floor(row / PATCH) * across + Math.floor(column / PATCH);
      cut.data[token * PATCH * PATCH + (row % PATCH) * PATCH + (column % PATCH)] =
        pixels[row * SIDE + column];
    }
  }
  return cut;
}

/** qkv [tokens, 3 width] to [tokens, width]. */
function attention(qkv: Array64, heads: number): Array64 {
  const width = qkv.shape[1] / 3;
  const size = width / heads;
  const joined = zeros64([TOKENS, width]);
  for (let head = 0; head < heads; head++) {
    const [query, key, value] = [0, 1, 2].map((part) => columns(qkv, part * width + head * size, size));
    const scores = map64(matMul64(query, transpose64(key)), (score) => score / Math.sqrt(size));
    const mixed = matMul64(softmaxRows(scores), value);
    mixed.data.forEach((entry, index) => {
      joined.data[Math.floor(index / size) * width + head * size + (index % size)] = entry;
    });
  }
  return joined;
}

function columns(x: Array64, from: number, count: number): Array64 {
  const [rows, width] = x.shape;
  const data = x.data.filter((_, index) => index % width >= from && index % width < from + count);
  return { shape: [rows, count], data };
}

function softmaxRows(x: Array64): Array64 {
  const [rows, width] = x.shape;
  const result = zeros64(x.shape);
  for (let row = 0; row < rows; row++) {
    const powers = x.data.subarray(row * width, (row + 1) * width).map(Math.exp);
    const sum = powers.reduce((partial, power) => partial + power, 0);
    result.data.set(
      powers.map((power) => power / sum),
      row * width,
    );
  }
  return result;
}

function norm64(x: Array64, gamma: Array64, beta: Array64): Array64 {
  const [rows, width] = x.shape;
  const scaled = zeros64(x.shape);
  for (let row = 0; row < rows; row++) {
    const values = x.data.subarray(row * width, (row + 1) * width);
    const mean = values.reduce((sum, value) => sum + value, 0) / width;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    values.forEach((value, i) => {
      scaled.data[row * width + i] = ((value - mean) / Math.sqrt(variance + 1e-5)) * gamma.data[i];
    });
  }
  return addBias64(scaled, beta);
}

function add(a: Array64, b: Array64): Array64 {
  return map64(a, (value, index) => value + b.data[index]);
}
