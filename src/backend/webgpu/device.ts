/** Used where the adapter has them: shuffles inside a workgroup, times of kernels, half precision. */
const FEATURES: readonly string[] = ['subgroups', 'timestamp-query', 'shader-f16'];

/**
 * The adapter's device with everything that the adapter allows: tfjs alone would ask for six limits, and leave the number of
 * buffers that a kernel can bind at the least that there may be.
 */
export function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const limits: Record<string, number> = {};
  // Getters of the prototype: Object.entries does not see them.
  for (const name in adapter.limits) {
    limits[name] = adapter.limits[name as keyof GPUSupportedLimits] as number;
  }
  return adapter.requestDevice({
    // The types that come with tfjs do not know all of them.
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
    requiredLimits: limits,
  });
}
