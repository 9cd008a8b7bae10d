import { describe, expect, it } from 'vitest';
import { findAdapter } from '../../../src/backend/webgpu/adapter.js';

const GRAPHICS_CARD = {
  vendor: 'nvidia',
  architecture: 'hopper',
  device: 'nvidia-h100',
  description: 'NVIDIA 550.54',
};
const CHIP = { vendor: 'intel', architecture: 'gen-12lp', device: '', description: '' };
const SWIFTSHADER = {
  vendor: 'google',
  architecture: 'swiftshader',
  device: 'swiftshader-device-subzero-',
  description: 'SwiftShader driver 5.0.0',
};

type Info = typeof GRAPHICS_CARD & { isFallbackAdapter?: boolean };

/** A mock of what a machine with these adapters offers; this one has none, or a software one. */
function machine(adapters: { high?: Info; low?: Info; any?: Info }): GPU {
  const requestAdapter = async ({ powerPreference }: GPURequestAdapterOptions) => {
    const { high, low, any } = adapters;
    const info = powerPreference === undefined ? any : powerPreference === 'low-power' ? low : high;
    return info === undefined ? null : { info };
  };
  return { requestAdapter } as unknown as GPU;
}

describe('of several adapters', () => {
  it('the fastest is taken', async () => {
    const { name, isSoftware } = await findAdapter(machine({ high: GRAPHICS_CARD, low: CHIP }));
    expect([name, isSoftware]).toEqual(['nvidia-h100 (nvidia hopper, NVIDIA 550.54)', false]);
  });

  it('one in hardware wins over a software adapter that is offered first', async () => {
    const { name, isSoftware } = await findAdapter(
      machine({ high: SWIFTSHADER, low: CHIP, any: SWIFTSHADER }),
    );
    expect([name, isSoftware]).toEqual(['intel gen-12lp', false]);
    const last = await findAdapter(machine({ high: SWIFTSHADER, any: GRAPHICS_CARD }));
    expect(last.isSoftware).toBe(false);
  });

  it('a software adapter is taken where there is no other', async () => {
    const { name, isSoftware } = await findAdapter(machine({ any: SWIFTSHADER }));
    const wanted = 'swiftshader-device-subzero (google swiftshader, SwiftShader driver 5.0.0)';
    expect([name, isSoftware]).toEqual([wanted, true]);
  });

  it('none at all is an error', async () => {
    await expect(findAdapter(machine({}))).rejects.toThrow('no Vulkan, Metal or D3D12 adapter found');
  });
});

describe('a software adapter', () => {
  const nameless = { vendor: '', architecture: '', device: '', description: '' };

  it.each([
    ['SwiftShader', SWIFTSHADER],
    ['llvmpipe', { ...nameless, vendor: 'mesa', description: 'llvmpipe (LLVM 15.0.6, 256 bits)' }],
    ['lavapipe', { ...nameless, vendor: 'mesa', architecture: 'lavapipe' }],
    ['WARP', { ...nameless, vendor: 'microsoft', description: 'Microsoft Basic Render Driver' }],
    ['WARP, by its device', { ...nameless, device: 'microsoft-basic-render-driver' }],
    ['one that only its type tells', { ...nameless, isFallbackAdapter: true }],
  ])('is known: %s', async (_, info) => {
    expect((await findAdapter(machine({ high: info }))).isSoftware).toBe(true);
  });

  it.each([
    ['a graphics card', GRAPHICS_CARD],
    ['a chip', { ...CHIP, isFallbackAdapter: false }],
    ['one that tells nothing', nameless],
  ])('is not %s', async (_, info) => {
    expect((await findAdapter(machine({ high: info }))).isSoftware).toBe(false);
  });

  it('has a name even if it tells nothing', async () => {
    expect((await findAdapter(machine({ high: nameless }))).name).toBe('unnamed adapter');
  });
});
