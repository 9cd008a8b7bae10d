import { checkBases } from '../compare-models.js';
import { checkModelFiles, type Finding } from '../compatibility/index.js';
import type { ModelAtRest } from '../model.js';
import type { NamedPath } from '../model-paths.js';
import { NamedCheckpoint } from '../named-checkpoint.js';
import { openModels } from '../open-models.js';
import { type MergePlan, planMerge } from './merge-plan.js';

export interface ModelFiles {
  readonly base: string;
  readonly models: readonly NamedPath[];
  readonly heads: readonly string[];
  readonly onFindings?: ((findings: readonly Finding[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenedFiles {
  readonly base: NamedCheckpoint;
  readonly models: readonly ModelAtRest[];
  readonly plan: MergePlan;
  readonly findings: readonly Finding[];
}

/**
 * Opens a base and models of any kind for a merge, works with them and closes them.
 * @throws MergeguardError for models that can not be opened, do not fit the base, or name another one; the signal's reason
 */
export async function withModels<Result>(
  { base: path, models: paths, heads, onFindings, signal }: ModelFiles,
  work: (opened: OpenedFiles) => Promise<Result>,
): Promise<Result> {
  const findings = await checkModelFiles({ name: 'the base', path }, paths);
  onFindings?.(findings);
  const open: { close(): Promise<void> }[] = [];
  try {
    const precise = await holdsFloat64(path);
    const base = await NamedCheckpoint.open(path, precise, signal);
    open.push(base);
    const models = await openModels(paths, base, precise);
    open.push(...models);
    const plan = await planMerge(base, models, heads);
    await checkBases(base, models);
    return await work({ base, models, plan, findings });
  } catch (error) {
    // What was left undone because of it is no failure of the work.
    signal?.throwIfAborted();
    throw error;
  } finally {
    await Promise.all(open.map((each) => each.close()));
  }
}

/** Only a base in float64 is worth reading everything so. */
async function holdsFloat64(path: string): Promise<boolean> {
  const base = await NamedCheckpoint.open(path, false);
  const found = [...base.shapes.keys()].some((name) => base.info(name).dtype === 'F64');
  await base.close();
  return found;
}
