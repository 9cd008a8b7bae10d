import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

type Program = Parameters<WebGPUBackend['runWebGPUProgram']>[0];

const WORKGROUP = 64;

/** WGSL has no atomic addition of floats. */
const ADD = {
  float32: `
      var before = atomicLoad(&result[place]);
      loop {
        let after = bitcast<i32>(bitcast<f32>(before) + x[index]);
        let exchange = atomicCompareExchangeWeak(&result[place], before, after);
        if (exchange.exchanged) {
          break;
        }
        before = exchange.old_value;
      }`,
  int32: `
      atomicAdd(&result[place], x[index]);`,
};

/**
 * `UnsortedSegmentSum`: x [N, ...] and ids [N] to [numSegments, ...], the sum of the rows of each id; rows whose id is below zero or past
 * the end are left out. An invocation an element of x.
 */
export function segmentSum({ inputs, backend, attrs }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const { x, segmentIds } = inputs as unknown as Record<'x' | 'segmentIds', tf.TensorInfo>;
  const { numSegments } = attrs as unknown as tf.UnsortedSegmentSumAttrs;
  const webgpu = backend as WebGPUBackend;
  const dtype = x.dtype === 'float32' ? 'float32' : 'int32';
  const shape = [numSegments, ...x.shape.slice(1)];
  const fill = tf.getKernel('Fill', 'webgpu').kernelFunc;
  const zeros = fill({ inputs: {}, backend, attrs: { shape, value: 0, dtype } }) as tf.TensorInfo;
  const size = tf.util.sizeFromShape(x.shape);
  if (size === 0) {
    return zeros;
  }
  const uniforms = [numSegments, size / x.shape[0], size].map((value) => ({ type: 'int32', data: [value] }));
  return webgpu.runWebGPUProgram(program(size, shape, dtype), [x, segmentIds], dtype, uniforms, zeros);
}

function program(size: number, shape: number[], dtype: 'float32' | 'int32'): Program {
  return {
    outputShape: shape,
    variableNames: ['x', 'segmentIds'],
    uniforms: 'numSegments : i32, inner : i32, xSize : i32,',
    workgroupSize: [WORKGROUP, 1, 1],
    dispatchLayout: { x: [0] },
    dispatch: [Math.ceil(size / WORKGROUP), 1, 1],
    atomic: true,
    shaderKey: `mergeguardSegmentSum_${dtype}`,
    getUserCode: () => `
  fn main(index : i32) {
    if (index >= uniforms.xSize) {
      return;
    }
    let segment = segmentIds[index / uniforms.inner];
    if (segment >= 0 && segment < uniforms.numSegments) {
      let place = segment * uniforms.inner + index % uniforms.inner;${ADD[dtype]}
    }
  }`,
  };
}
