/** An adapter as people know it. */
export interface Described {
  /** e.g. `nvidia-h100 (nvidia hopper, NVIDIA 550.54)` */
  readonly name: string;
  /** computes on the processor */
  readonly isSoftware: boolean;
}

export interface DescribedAdapter extends Described {
  readonly adapter: GPUAdapter;
}

/** Of software adapters: Vulkan's SwiftShader and llvmpipe (once lavapipe), and WARP of D3D12. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic.render/i;

/** What is asked for, one after the other: some machines have an adapter for one of these only. */
export const REQUESTS: readonly GPURequestAdapterOptions[] = [
  { powerPreference: 'high-performance' },
  { powerPreference: 'low-power' },
  {},
];

/** Why there is none. */
export const NO_ADAPTER = 'no Vulkan, Metal or D3D12 adapter found';

/**
 * The fastest adapter; a software adapter only where there is no other.
 * @throws Error where there is none
 */
export async function findAdapter(gpu: GPU): Promise<DescribedAdapter> {
  let software: DescribedAdapter | null = null;
  for (const request of REQUESTS) {
    const adapter = await gpu.requestAdapter(request);
    if (adapter === null) {
      continue;
    }
    const described = { adapter, ...describe(adapter.info) };
    if (!described.isSoftware) {
      return described;
    }
    software ??= described;
  }
  if (software === null) {
    throw new Error(NO_ADAPTER);
  }
  return software;
}

export function describe(info: GPUAdapterInfo): Described {
  return { name: nameOf(info), isSoftware: isSoftware(info) };
}

/** Device, maker and driver, as far as they are told; they are text from the driver. */
function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const maker = [vendor, architecture].filter(Boolean).join(' ');
  const [name, ...more] = [device.replace(/-+$/, ''), maker, description].filter(Boolean);
  if (name === undefined) {
    return 'unnamed adapter';
  }
  return more.length > 0 ? `${name} (${more.join(', ')})` : name;
}

/** Drivers tell it by their type, which Dawn passes on as a fallback adapter; browsers do not always. */
function isSoftware(info: GPUAdapterInfo): boolean {
  const { vendor, architecture, device, description } = info;
  return (
    info.isFallbackAdapter === true || SOFTWARE.test([vendor, architecture, device, description].join(' '))
  );
}
