import type { Reference, Subspace } from '../../../src/reference/index.js';
import { type HostTensor, Random, squaredNorm } from '../../../src/tensors/index.js';

/** Subspace dimensions, and singular values, that real references keep. */
const K = 10;
const SPECTRUM = 100;
/** of the elements of task vectors and gradients: about a fine-tuned model's */
const TAU = 0.001;
const GRADIENT = 0.001;

/**
 * References of the right shapes with random task vectors, gradients and orthonormal subspaces: no decomposition, which for large
 * models would take minutes. What they cost on the device is what real ones cost. They share one another's values on the host.
 *
 * @param tensors canonical names and shapes
 * @param baseHash `baseIdentity` of the base that they are to fit
 */
export function syntheticReferences(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
  count: number,
  baseHash: string,
): Reference[] {
  const random = new Random('synthetic reference');
  const tau = new Map<string, HostTensor>();
  const gradient = new Map<string, HostTensor>();
  const subspaces = new Map<string, Subspace>();
  const spectra = new Map<string, Float64Array>();
  const bottoms = new Map<string, HostTensor>();
  for (const { name, shape } of tensors) {
    const size = shape.reduce((product, length) => product * length, 1);
    tau.set(name, { shape: [...shape], data: random.normals(size, TAU) });
    gradient.set(name, { shape: [...shape], data: random.normals(size, GRADIENT) });
    if (shape.length === 2) {
      const [left, right] = shape.map((length) => orthonormal(length, random));
      subspaces.set(name, { k: K, left, right });
      spectra.set(name, new Float64Array(Math.min(SPECTRUM, ...shape)).fill(1));
      bottoms.set(name, right);
    }
  }
  const pattern: Reference = {
    name: 'pattern',
    baseHash,
    tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
    gradientRecipe: {
      kind: 'calibration',
      batch: 128,
      reduction: 'mean',
      clipped: false,
      accumulated: 1,
      lossScale: 1,
    },
    accuracy: null,
    loss: null,
    tensorMap: {},
    madeBy: {},
    tau,
    factors: new Map(),
    norms: Float64Array.from(tensors, ({ name }) => squaredNorm(tau.get(name)!.data)),
    subspaces,
    spectra,
    bottoms,
    gradient,
    head: null,
    calibration: null,
    inputGradient: null,
  };
  return Array.from({ length: count }, (_, r) => ({ ...pattern, name: `reference ${r}` }));
}

/** [length, K] orthonormal columns, by Gram and Schmidt. */
function orthonormal(length: number, random: Random): HostTensor {
  const columns: Float32Array[] = [];
  for (let k = 0; k < K; k++) {
    const column = random.normals(length);
    for (const earlier of columns) {
      const dot = column.reduce((sum, value, i) => sum + value * earlier[i], 0);
      column.forEach((value, i) => {
        column[i] = value - dot * earlier[i];
      });
    }
    const norm = Math.hypot(...column);
    columns.push(column.map((value) => value / norm));
  }
  const data = new Float32Array(length * K).map((_, i) => columns[i % K][Math.floor(i / K)]);
  return { shape: [length, K], data };
}
