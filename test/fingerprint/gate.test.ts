import { describe, expect, it } from 'vitest';
import { Gate } from '../../src/fingerprint/gate.js';

describe('a gate', () => {
  it('lets so many jobs run at a time, in order, and gives their results', async () => {
    const gate = new Gate(3);
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        gate.through(async () => {
          started.push(i);
          running++;
          most = Math.max(most, running);
          await Promise.resolve();
          running--;
          return i * i;
        }),
      ),
    );
    expect(most).toBe(3);
    expect(started).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(results).toEqual(started.map((i) => i * i));
  });

  it('frees the place of a job that fails', async () => {
    const gate = new Gate(1);
    const failing = gate.through(() => Promise.reject(new Error('no')));
    const next = gate.through(() => Promise.resolve('next'));
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('next');
    expect(await gate.through(() => Promise.resolve('last'))).toBe('last');
  });
});
