import type { NamedPath } from '../at-rest/model-paths.js';
import type { ConfiguredMerge } from '../merging/index.js';
import type { EvaluateSettings } from './pool-schema.js';

export interface PoolModel extends NamedPath {
  /** what it is evaluated on */
  readonly task: string;
  /** of its content, see contentIdentity */
  readonly identity: string;
}

/** A pool that can be calibrated: everything in it was looked at. */
export interface CalibrationPool {
  /** for messages, and the fingerprint's name */
  readonly name: string;
  /** where commands run */
  readonly folder: string;
  readonly base: string;
  readonly baseIdentity: string;
  readonly models: readonly PoolModel[];
  readonly merges: readonly ConfiguredMerge[];
  /** merges of three and more models, by their places */
  readonly groups: readonly (readonly number[])[];
  readonly heads: readonly string[];
  readonly selfProbe: boolean;
  readonly evaluate: EvaluateSettings;
  /** what a user should know of it, a sentence each */
  readonly notices: readonly string[];
}

/** Whether a method with its parameters merges so many models. */
export function canMerge({ method, parameters }: ConfiguredMerge, models: number): boolean {
  const { least, most } = method.models(parameters);
  return models >= least && models <= most;
}
