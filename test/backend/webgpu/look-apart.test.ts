import { describe, expect, it } from 'vitest';
import { lookApart } from '../../../src/backend/webgpu/look-apart.js';

const write = (text: string) => `process.stdout.write('${text}')`;

describe('looking for an adapter in a process of its own', () => {
  it.each([
    ['an adapter that is there', write('found')],
    [
      'a driver that crashes when it is taken down',
      `${write('found')}; process.kill(process.pid, 'SIGSEGV')`,
    ],
    ['a package that can not be loaded, which the caller will meet', 'throw new Error("no such package")'],
  ])('goes on with %s', async (_what, look) => {
    await expect(lookApart('', look)).resolves.toBeUndefined();
  });

  it('ends where there is none', async () => {
    await expect(lookApart('', write('none'))).rejects.toThrow('no Vulkan, Metal or D3D12 adapter found');
  });

  it('outlives a driver that ends the process', async () => {
    const look = "process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000)";
    await expect(lookApart('', look)).rejects.toThrow(
      'the graphics driver ends the process that starts it (SIGSEGV)',
    );
  });
});
