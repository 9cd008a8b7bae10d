import { describe, expect, it } from 'vitest';
import { lookApart } from '../../../src/backend/webgpu/look-apart.js';

/** A stand-in for the npm package: the drivers that it would find are on no machine at once. */
const packageWith = (requestAdapter: string) =>
  `data:text/javascript,${encodeURIComponent(`export const create = () => ({ requestAdapter: ${requestAdapter} });`)}`;
const crash = (how: string) =>
  `async () => { ${how}; await new Promise(() => setInterval(() => {}, 1000)); }`;

describe('looking for an adapter in a process of its own', () => {
  it.each([
    ['an adapter that is there', packageWith('async () => ({ requestDevice: async () => ({}) })')],
    [
      'one that only asking for little power brings',
      packageWith(
        "async ({ powerPreference }) => powerPreference === 'low-power' ? { requestDevice: async () => ({}) } : null",
      ),
    ],
    [
      'an adapter that says why it gives no device',
      packageWith('async () => ({ requestDevice: async () => { throw new Error("limits") } })'),
    ],
    [
      'a package that can not be loaded, which the caller will meet',
      'data:text/javascript,throw new Error("broken")',
    ],
    ['a package that is not there', 'file:///no/such/package.js'],
  ])('goes on with %s', async (_what, url) => {
    await expect(lookApart(url)).resolves.toBeUndefined();
  });

  it('ends where there is none', async () => {
    await expect(lookApart(packageWith('async () => null'))).rejects.toThrow(
      'no Vulkan, Metal or D3D12 adapter found',
    );
  });

  it.each([
    [
      crash("process.kill(process.pid, 'SIGSEGV')"),
      'the graphics driver ends the process that starts it (SIGSEGV)',
    ],
    [crash('process.exit(3)'), 'the graphics driver ends the process that starts it (exit code 3)'],
    [
      `async () => ({ requestDevice: ${crash("process.kill(process.pid, 'SIGABRT')")} })`,
      'the graphics driver ends the process that starts it (SIGABRT)',
    ],
    [
      crash("process.kill(process.pid, 'SIGTERM')"),
      'looking for a graphics driver was interrupted (SIGTERM)',
    ],
  ])('outlives %s', async (requestAdapter, message) => {
    await expect(lookApart(packageWith(requestAdapter))).rejects.toThrow(message);
  });

  it('does not wait for ever, nor for a driver to be taken down', async () => {
    const hangs = packageWith(crash(''));
    await expect(lookApart(hangs, { longestMs: 1500 })).rejects.toThrow('did not answer within 1.5 s');
    const stays = packageWith(
      'async () => { setInterval(() => {}, 1000); return { requestDevice: async () => ({}) }; }',
    );
    await expect(lookApart(stays)).resolves.toBeUndefined();
  });
});
