/** Slow and obvious float64 layers: what the backends are held against. Arrays are row-major. */
export interface Array64 {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Padding = 'same' | 'valid' | number;

export interface Window {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pad: Padding;
  readonly dilation?: number;
}

export function zeros64(shape: readonly number[]): Array64 {
  return { shape, data: new Float64Array(shape.reduce((product, size) => product * size, 1)) };
}

export function map64(x: Array64, change: (value: number, index: number) => number): Array64 {
  return { shape: x.shape, data: x.data.map(change) };
}

export function reshape64(x: Array64, shape: readonly number[]): Array64 {
  return { shape, data: x.data };
}

/** [m, k] times [k, n]. */
export function matMul64(a: Array64, b: Array64): Array64 {
  const [m, k] = a.shape;
  const n = b.shape[1];
  const product = zeros64([m, n]);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      for (let i = 0; i < k; i++) {
        product.data[row * n + column] += a.data[row * k + i] * b.data[i * n + column];
      }
    }
  }
  return product;
}

/** Swaps the last two axes. */
export function transpose64(x: Array64): Array64 {
  const [rows, columns] = x.shape.slice(-2);
  const turned = zeros64([...x.shape.slice(0, -2), columns, rows]);
  x.data.forEach((value, index) => {
    const inner = index % (rows * columns);
    const column = inner % columns;
    const row = (inner - column) / columns;
    turned.data[index - inner + column * rows + row] = value;
  });
  return turned;
}

/** The matrix at `index` of a batch [..., rows, columns]. */
export function matrixAt(x: Array64, index: number): Array64 {
  const shape = x.shape.slice(-2);
  const size = shape[0] * shape[1];
  return { shape, data: x.data.slice(index * size, (index + 1) * size) };
}

/** Adds `bias`, as long as the last axis. */
export function addBias64(x: Array64, bias: Array64): Array64 {
  return map64(x, (value, index) => value + bias.data[index % bias.data.length]);
}

/** x [n, in], kernel [in, out], bias [out]. */
export function dense64(x: Array64, kernel: Array64, bias: Array64): Array64 {
  return addBias64(matMul64(x, kernel), bias);
}

export function tanh64(x: Array64): Array64 {
  return map64(x, Math.tanh);
}

export function relu64(x: Array64): Array64 {
  return map64(x, (value) => Math.max(0, value));
}

/** x [n, h, w, ci], filter [kh, kw, ci, co]. */
export function conv64(x: Array64, filter: Array64, window: Omit<Window, 'size'>): Array64 {
  const [kh, kw, channels, outChannels] = filter.shape;
  return slide64(x, { ...window, size: [kh, kw] }, outChannels, (cells, out) => {
    for (const { pixel, cell } of cells) {
      for (let from = 0; from < channels; from++) {
        const value = x.data[pixel * channels + from];
        for (let to = 0; to < outChannels; to++) {
          out[to] += value * filter.data[(cell * channels + from) * outChannels + to];
        }
      }
    }
  });
}

/** x [n, h, w, c], filter [kh, kw, c, m] to [n, h', w', c m]. */
export function depthwise64(x: Array64, filter: Array64, window: Omit<Window, 'size'>): Array64 {
  const [kh, kw, channels, multiplier] = filter.shape;
  return slide64(x, { ...window, size: [kh, kw] }, channels * multiplier, (cells, out) => {
    for (const { pixel, cell } of cells) {
      for (let to = 0; to < channels * multiplier; to++) {
        const from = Math.floor(to / multiplier);
        out[to] += x.data[pixel * channels + from] * filter.data[cell * channels * multiplier + to];
      }
    }
  });
}

/** Padding counts neither for the maximum nor for the mean. */
export function pool64(x: Array64, window: Window, kind: 'max' | 'avg'): Array64 {
  const channels = x.shape[3];
  return slide64(x, window, channels, (cells, out) => {
    for (let channel = 0; channel < channels; channel++) {
      const values = cells.map(({ pixel }) => x.data[pixel * channels + channel]);
      out[channel] =
        kind === 'max' ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
    }
  });
}

/** Calls `fill` for every output pixel with the pixels of x under the window (padding left out). */
function slide64(
  x: Array64,
  { size, strides, pad, dilation = 1 }: Window,
  outChannels: number,
  fill: (cells: { pixel: number; cell: number }[], out: Float64Array) => void,
): Array64 {
  const [count, height, width] = x.shape;
  const rows = axis(height, size[0], strides[0], dilation, pad);
  const columns = axis(width, size[1], strides[1], dilation, pad);
  const result = zeros64([count, rows.out, columns.out, outChannels]);
  let at = 0;
  for (let image = 0; image < count; image++) {
    for (let outRow = 0; outRow < rows.out; outRow++) {
      for (let outColumn = 0; outColumn < columns.out; outColumn++) {
        const cells: { pixel: number; cell: number }[] = [];
        for (let r = 0; r < size[0]; r++) {
          for (let c = 0; c < size[1]; c++) {
            const row = outRow * strides[0] - rows.before + r * dilation;
            const column = outColumn * strides[1] - columns.before + c * dilation;
            if (row >= 0 && row < height && column >= 0 && column < width) {
              cells.push({ pixel: (image * height + row) * width + column, cell: r * size[1] + c });
            }
          }
        }
        fill(cells, result.data.subarray(at, at + outChannels));
        at += outChannels;
      }
    }
  }
  return result;
}

/** Output length and padding in front; 'same' puts the odd pixel of padding behind. */
function axis(length: number, size: number, stride: number, dilation: number, pad: Padding) {
  const reach = (size - 1) * dilation + 1;
  if (pad === 'same') {
    const out = Math.ceil(length / stride);
    return { out, before: Math.floor(Math.max(0, (out - 1) * stride + reach - length) / 2) };
  }
  const before = pad === 'valid' ? 0 : pad;
  return { out: Math.floor((length + 2 * before - reach) / stride) + 1, before };
}

/** Rows of x [n, ...] by number. */
export function gather64(x: Array64, indices: readonly number[]): Array64 {
  const width = x.data.length / x.shape[0];
  const rows = indices.flatMap((index) => [...x.data.subarray(index * width, (index + 1) * width)]);
  return { shape: [indices.length, ...x.shape.slice(1)], data: Float64Array.from(rows) };
}

/** Mean over the rows of logits [n, classes]. */
export function crossEntropy64(logits: Array64, labels: readonly number[]): number {
  const classes = logits.shape[1];
  let total = 0;
  labels.forEach((label, row) => {
    const scores = logits.data.subarray(row * classes, (row + 1) * classes);
    const largest = Math.max(...scores);
    const sum = scores.reduce((partial, score) => partial + Math.exp(score - largest), 0);
    total += Math.log(sum) + largest - scores[label];
  });
  return total / labels.length;
}

/** Half the summed square of y - target. */
export function halfSquare64(y: Array64, target: Array64): number {
  return y.data.reduce((sum, value, index) => sum + (value - target.data[index]) ** 2 / 2, 0);
}
