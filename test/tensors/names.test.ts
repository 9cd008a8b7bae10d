import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalName, canonicalNames, MergeguardError } from '../../src/tensors/index.js';

describe('canonicalName', () => {
  it.each([
    ['encoder.0.weight', 'encoder.0.weight'],
    ['module.encoder.0.weight', 'encoder.0.weight'],
    ['_orig_mod.module._fsdp_wrapped_module.encoder.weight', 'encoder.weight'],
    ['module.module.base_model.model.q.weight', 'q.weight'],
    ['h.0._fsdp_wrapped_module.attn._orig_mod.weight', 'h.0.attn.weight'],
    // Only wrappers go: a module of one's own keeps its name.
    ['net.module.weight', 'net.module.weight'],
    ['modules.0.weight', 'modules.0.weight'],
    ['base_model.encoder.weight', 'base_model.encoder.weight'],
    ['patch.kernel', 'patch.kernel'],
    ['LayerNorm.gamma', 'LayerNorm.gamma'],
    ['module.', 'module.'],
    ['encoder.0.q/kernel', 'encoder.0.q.weight'],
    ['encoder/q/bias', 'encoder.q.bias'],
    ['norm/gamma', 'norm.weight'],
    ['norm/beta', 'norm.bias'],
    ['tokens/embeddings', 'tokens.weight'],
    ['bn/moving_mean', 'bn.running_mean'],
    ['bn/moving_variance', 'bn.running_var'],
    ['gru/recurrent_kernel', 'gru.recurrent_kernel'],
    ['block_1/kernel', 'block_1.weight'],
    ['dense/kernel_1', 'dense.kernel_1'],
    ['x/toString', 'x.toString'],
  ])('%s is %s', (name, expected) => {
    expect(canonicalName(name)).toBe(expected);
  });

  it('changes nothing the second time, and never leaves nothing', () => {
    const part = fc.constantFrom(
      'module',
      '_orig_mod',
      '_fsdp_wrapped_module',
      'base_model',
      'model',
      'a',
      'kernel',
      '0',
    );
    const path = fc.array(fc.tuple(part, fc.constantFrom('.', '/')), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(path, (parts) => {
        const name = parts
          .map(([text, separator]) => text + separator)
          .join('')
          .slice(0, -1);
        const once = canonicalName(name);
        expect(once).not.toBe('');
        expect(canonicalName(once)).toBe(once);
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it('lists names that come to be the same', () => {
    expect(canonicalNames(['a/kernel', 'a/bias'])).toEqual(['a.weight', 'a.bias']);
    expect(() => canonicalNames(['a.weight', 'module.a.weight', 'a/kernel', 'b'])).toThrow(MergeguardError);
    expect(() => canonicalNames(['a.weight', 'module.a.weight', 'a/kernel', 'b'])).toThrow(
      /"a.weight" and "module.a.weight" are both "a.weight"[\s\S]*"a.weight" and "a\/kernel" are both "a.weight"/,
    );
  });
});
