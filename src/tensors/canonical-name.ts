import { listProblems, MergeguardError } from './errors.js';

/** Wrappers that PyTorch puts at any depth of a module path; no module of a user's own is called that. */
const WRAPPERS = new Set(['_orig_mod', '_fsdp_wrapped_module']);

/** Wrappers that are stripped in front only: further in, a module of a user's own may be called that. */
const PREFIXES = ['module.', 'base_model.model.'];

/** Last part of a tfjs weight's name, and what PyTorch calls it. */
const TFJS_ENDINGS: Readonly<Record<string, string>> = {
  kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  embeddings: 'weight',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
};

function fromTfjs(name: string): string[] {
  const parts = name.split('/');
  const last = parts.pop()!;
  parts.push(Object.hasOwn(TFJS_ENDINGS, last) ? TFJS_ENDINGS[last]! : last);
  return parts.join('.').split('.');
}

/**
 * A tensor's canonical name: its path without the prefixes of PyTorch wrappers (`module.`, `_orig_mod.`,
 * `_fsdp_wrapped_module.`, `base_model.model.`), a tfjs path (one with `/`) written as PyTorch would write it:
 * `encoder/q/kernel` is `encoder.q.weight`.
 *
 * A suffix `_1` stays. tfjs adds it to the names of a second model in one process, but a user's own layer may
 * be called `block_1`; hand in the variable's `originalName`, which does not have it.
 */
export function canonicalName(name: string): string {
  const parts = name.includes('/') ? fromTfjs(name) : name.split('.');
  const kept = parts.filter((part, at) => at === parts.length - 1 || !WRAPPERS.has(part));
  let path = kept.join('.');
  for (;;) {
    const prefix = PREFIXES.find((text) => path.startsWith(text) && path.length > text.length);
    if (prefix === undefined) {
      return path;
    }
    path = path.slice(prefix.length);
  }
}

/**
 * Canonical names of a model's tensors, in the same order.
 * @throws MergeguardError listing the names that come to be the same
 */
export function canonicalNames(names: readonly string[]): string[] {
  const seen = new Map<string, string>();
  const problems: string[] = [];
  const result: string[] = [];
  for (const name of names) {
    const canonical = canonicalName(name);
    const first = seen.get(canonical);
    if (first === undefined) {
      seen.set(canonical, name);
    } else {
      problems.push(`"${first}" and "${name}" are both "${canonical}"`);
    }
    result.push(canonical);
  }
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems('tensors have the same canonical name; rename one of each pair:', problems),
    );
  }
  return result;
}
