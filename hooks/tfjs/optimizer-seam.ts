import * as tf from '@tensorflow/tfjs';

/** What `applyGradients` takes; entries may be null. */
export type Gradients = tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[];

/** Stands between a caller and a method of the optimiser, which it is to call itself. */
export interface Seam {
  compute(
    f: () => tf.Scalar,
    evaluate: (f: () => tf.Scalar) => { value: tf.Scalar; grads: tf.NamedTensorMap },
  ): { value: tf.Scalar; grads: tf.NamedTensorMap };
  apply(gradients: Gradients, apply: (gradients: Gradients) => void): void;
}

/**
 * Puts a seam around `computeGradients` and `applyGradients` of this optimiser object. The function returned takes
 * it away again: the methods are as they were. Where somebody else has wrapped them since, their wrapper stays
 * and what is ours inside it passes everything through.
 */
export function wrapOptimizer(optimizer: tf.Optimizer, seam: Seam): () => void {
  let isOpen = true;
  const undoCompute = replace(optimizer, 'computeGradients', (original) => (f, varList) => {
    const evaluate = (loss: () => tf.Scalar) => original.call(optimizer, loss, varList);
    return isOpen ? seam.compute(f, evaluate) : evaluate(f);
  });
  const undoApply = replace(optimizer, 'applyGradients', (original) => (gradients) => {
    const apply = (all: Gradients) => original.call(optimizer, all);
    return isOpen ? seam.apply(gradients, apply) : apply(gradients);
  });
  return () => {
    isOpen = false;
    undoCompute();
    undoApply();
  };
}

function replace<Name extends 'computeGradients' | 'applyGradients'>(
  optimizer: tf.Optimizer,
  name: Name,
  around: (original: tf.Optimizer[Name]) => tf.Optimizer[Name],
): () => void {
  const original = optimizer[name];
  const wasOwn = Object.hasOwn(optimizer, name);
  const ours = around(original);
  optimizer[name] = ours;
  return () => {
    if (optimizer[name] !== ours) {
      return;
    }
    if (wasOwn) {
      optimizer[name] = original;
    } else {
      delete (optimizer as Partial<Pick<tf.Optimizer, Name>>)[name];
    }
  };
}

export function byName(gradients: Gradients): Record<string, tf.Tensor | null> {
  if (!Array.isArray(gradients)) {
    return gradients;
  }
  return Object.fromEntries(gradients.map(({ name, tensor }) => [name, tensor]));
}

/** The same gradients with the additions in, in the form they came in; `made` is to be disposed afterwards. */
export function withAdditions(
  gradients: Gradients,
  additions: tf.NamedTensorMap,
): { gradients: Gradients; made: tf.Tensor[] } {
  const made = Object.values(additions);
  const sum = (name: string, tensor: tf.Tensor): tf.Tensor => {
    if (tensor == null || !Object.hasOwn(additions, name)) {
      return tensor;
    }
    const total = tf.add(tensor, additions[name]);
    made.push(total);
    return total;
  };
  if (Array.isArray(gradients)) {
    return { made, gradients: gradients.map(({ name, tensor }) => ({ name, tensor: sum(name, tensor) })) };
  }
  const entries = Object.entries(gradients).map(([name, tensor]) => [name, sum(name, tensor)]);
  return { made, gradients: Object.fromEntries(entries) };
}
