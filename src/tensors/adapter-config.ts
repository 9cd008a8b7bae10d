import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { matchesPattern, type Pattern, parsePattern } from './adapter-pattern.js';
import { refuseOthers } from './adapter-variants.js';
import { fileProblem, listProblems, MergeguardError } from './errors.js';

const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const configSchema = z.object({
  base_model_name_or_path: z.string().nullish(),
  // PEFT's own defaults.
  r: z.number().int().positive().default(8),
  lora_alpha: z.number().default(8),
  use_rslora: flag,
  fan_in_fan_out: flag,
  rank_pattern: z.record(z.string(), z.number().int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
});

type Patterns = readonly { readonly key: string; readonly pattern: Pattern; readonly value: number }[];

export interface AdapterConfig {
  readonly baseModel: string | null;
  readonly rank: number;
  readonly alpha: number;
  readonly rankPatterns: Patterns;
  readonly alphaPatterns: Patterns;
  readonly rankStabilized: boolean;
  readonly fanInFanOut: boolean;
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new MergeguardError(`the adapter's config "${path}" can't be read: ${fileProblem(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new MergeguardError(
      `the adapter's config "${path}" is not a JSON object; give the adapter_config.json that PEFT writes`,
    );
  }
  return parsed as Record<string, unknown>;
}

/** Keys as PEFT matches them: a regex that a module's name ends with, whole parts of the path only. */
function compile(patterns: Readonly<Record<string, number>>, option: string, problems: string[]): Patterns {
  const compiled: { key: string; pattern: Pattern; value: number }[] = [];
  for (const [key, value] of Object.entries(patterns)) {
    const pattern = parsePattern(key);
    if (pattern === null) {
      problems.push(
        `${option}: "${key}" is not a regular expression that is read (names with \\., .*, \\d+, [0-9]+, ^, $ and ` +
          `groups like (a|b), neither nested nor repeated); write the names out`,
      );
    } else {
      compiled.push({ key, value, pattern });
    }
  }
  return compiled;
}

/**
 * Reads an `adapter_config.json` of PEFT; options it does not need are ignored.
 * @throws MergeguardError for a peft_type other than LORA, for LoRA variants, and with every bad value at once
 */
export async function readAdapterConfig(path: string): Promise<AdapterConfig> {
  const json = await readJson(path);
  refuseOthers(json, path);
  const { data, error } = configSchema.safeParse(json);
  const problems = error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? [];
  const rankPatterns = compile(data?.rank_pattern ?? {}, 'rank_pattern', problems);
  const alphaPatterns = compile(data?.alpha_pattern ?? {}, 'alpha_pattern', problems);
  if (data === undefined || problems.length > 0) {
    throw new MergeguardError(
      listProblems(`the adapter's config "${path}" is not one of LoRA; correct:`, problems),
    );
  }
  return {
    baseModel: data.base_model_name_or_path || null,
    rank: data.r,
    alpha: data.lora_alpha,
    rankPatterns,
    alphaPatterns,
    rankStabilized: data.use_rslora,
    fanInFanOut: data.fan_in_fan_out,
  };
}

/** The rank of a module (its path in the base) and where in the config it is said; the first pattern wins. */
export function configuredRank(config: AdapterConfig, module: string): { rank: number; from: string } {
  const found = config.rankPatterns.find(({ pattern }) => matchesPattern(pattern, module));
  return found === undefined
    ? { rank: config.rank, from: '"r"' }
    : { rank: found.value, from: `"rank_pattern", "${found.key}"` };
}

/** The factor of B A for a module whose rank is `rank`. */
export function configuredScale(config: AdapterConfig, module: string, rank: number): number {
  const found = config.alphaPatterns.find(({ pattern }) => matchesPattern(pattern, module));
  return (found?.value ?? config.alpha) / (config.rankStabilized ? Math.sqrt(rank) : rank);
}
