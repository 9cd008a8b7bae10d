import { z } from 'zod';
import { defineMethod } from './merge-method.js';

/** Beyond this cosine, of either sign, two tensors are taken to lie on one line, as in mergekit. */
const COLINEAR = 0.9995;

/**
 * The point at t on the arc from the first model's weights to the second's, each tensor flattened and by itself:
 * (sin((1 - t) angle) a + sin(t angle) b) / sin(angle). On the straight line, (1 - t) a + t b, where the two are nearly
 * colinear, as models fine-tuned from one base mostly are, or one is zero and has no direction.
 */
export const slerp = defineMethod({
  name: 'slerp',
  parameters: z.strictObject({
    t: z.number().min(0).max(1).default(0.5).describe('0 is the first model, 1 the second'),
  }),
  idParameter: 't',
  source:
    'Shoemake 1985, doi 10.1145/325165.325242, on weights and tensor by tensor as in mergekit, arXiv 2403.13257',
  models: () => ({ least: 2, most: 2 }),
  needsBase: true,
  mergeTensor({ taus, base }, { t }) {
    const [first, second] = taus as readonly [Float32Array, Float32Array];
    const { ours, theirs, surplus } = factorsAt(t, cosineOf(base!, first, second));
    const out = new Float32Array(first.length);
    for (let i = 0; i < out.length; i++) {
      // ours * (base + first) + theirs * (base + second) - base, without the base where that cancels
      out[i] = surplus * base![i]! + ours * first[i]! + theirs * second[i]!;
    }
    return out;
  },
});

/** Factors on the two models' weights, and by how much the two add up to more than 1. */
function factorsAt(t: number, cosine: number): { ours: number; theirs: number; surplus: number } {
  if (Math.abs(cosine) > COLINEAR) {
    return { ours: 1 - t, theirs: t, surplus: 0 };
  }
  const angle = Math.acos(cosine);
  const ours = Math.sin((1 - t) * angle) / Math.sin(angle);
  const theirs = Math.sin(t * angle) / Math.sin(angle);
  return { ours, theirs, surplus: ours + theirs - 1 };
}

/** Between the weights base + first and base + second; 1 where one of them is all zero. */
function cosineOf(base: Float32Array, first: Float32Array, second: Float32Array): number {
  let inner = 0;
  let ours = 0;
  let theirs = 0;
  for (let i = 0; i < base.length; i++) {
    const a = base[i]! + first[i]!;
    const b = base[i]! + second[i]!;
    inner += a * b;
    ours += a * a;
    theirs += b * b;
  }
  return ours === 0 || theirs === 0 ? 1 : inner / Math.sqrt(ours * theirs);
}
