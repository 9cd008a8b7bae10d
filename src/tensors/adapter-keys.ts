import { canonicalName } from './canonical-name.js';

// Keys as PEFT writes them, `base_model.model.<module>.<what>`; an adapter's name may stand after `lora_A`,
// `modules_to_save` and the like, as it does in a state dict that PEFT has not stripped of it.

/** `<module>.lora_A.weight`, `<module>.lora_B.default.bias`, `<module>.lora_embedding_A` */
const FACTOR = /^(.+)\.lora_(embedding_)?([AB])(?:\.[^.]+){0,2}$/;
/** the module that PEFT put its own in the place of: `q_proj.base_layer.weight` is `q_proj.weight` */
const BASE_LAYER = /\.base_layer(?=\.)/g;
/** `head.modules_to_save.default.weight`, and `head.modules_to_save.bias` as PEFT writes it with bias: all */
const MODULE_TO_SAVE = /\.modules_to_save(?:\.[^.]+(?=\.))?(?=\.)/;

/** `embed_tokens.token_adapter.trainable_tokens_delta` */
const TOKEN_ADAPTER = /^(.+)\.token_adapter\.(.+)$/;
/** what a token adapter holds beside its rows: the base's matrix, and the rows as they were */
const TOKENS_OF_BASE = /^(base_layer|trainable_tokens_original)(\.|$)/;

const MERGE_FIRST = "merge the adapter into its base first (PEFT's merge_and_unload())";

/** Both factors of one adapted module by their keys in the file, as far as they are there. */
export interface FactorKeys {
  A?: string;
  B?: string;
  readonly embedding: boolean;
  /** path of the module that the config's patterns are matched with */
  readonly module: string;
}

/** A tensor that is neither a factor nor whole. */
export interface Skipped {
  /** canonical name of the base's tensor that it is for */
  readonly name: string;
  readonly reason: string;
  /** whether it moves the base's tensor, by what is not read: nothing can be said of that tensor then */
  readonly lost: boolean;
}

export interface AdapterKeys {
  /** canonical name of the base's tensor -> its factors */
  readonly factors: ReadonlyMap<string, FactorKeys>;
  /** canonical name -> key of a tensor that is stored whole */
  readonly whole: ReadonlyMap<string, string>;
  readonly skipped: Skipped[];
  readonly problems: string[];
}

/** Canonical name of the base's tensor that a key stands for. */
function baseName(key: string): string {
  return canonicalName(key.replace(MODULE_TO_SAVE, '').replace(BASE_LAYER, ''));
}

function sortFactors(keys: readonly string[], into: AdapterKeys, factors: Map<string, FactorKeys>): string[] {
  const others: string[] = [];
  for (const key of keys) {
    const match = FACTOR.exec(key);
    if (match === null) {
      others.push(key);
      continue;
    }
    const [, path, embedding, letter] = match as unknown as [string, string, string | undefined, 'A' | 'B'];
    if (key.endsWith('.bias')) {
      const name = baseName(`${path}.bias`);
      const reason = `"${key}" (lora_bias) is a delta of a bias, which is not read`;
      into.skipped.push({ name, reason, lost: true });
      continue;
    }
    if (/\.base_layer(\.|$)/.test(path)) {
      // PEFT's merge and forward add the delta of out_proj twice (0.17 to 0.21 do): the file doesn't say what to add.
      into.problems.push(
        `"${key}" is inside a module that is adapted itself (nn.MultiheadAttention), which is not supported; ` +
          MERGE_FIRST,
      );
      continue;
    }
    const name = baseName(`${path}.weight`);
    const module = name.slice(0, -'.weight'.length);
    const found = factors.get(name) ?? { embedding: embedding !== undefined, module };
    if (found[letter] !== undefined || found.embedding !== (embedding !== undefined)) {
      const other = found[letter] ?? found.A ?? found.B;
      into.problems.push(`"${other}" and "${key}" are both for "${name}"; save one adapter to a file`);
      continue;
    }
    found[letter] = key;
    factors.set(name, found);
  }
  return others;
}

/** Whether a tensor belongs to an adapted module but not to plain LoRA; a user's own module may be `lora_head`. */
function isVariantPart(name: string, factors: ReadonlyMap<string, FactorKeys>): boolean {
  const [, module, part] = /^(.+)\.lora_([^.]+)/.exec(name) ?? [];
  return part === 'magnitude_vector' || factors.has(`${module}.weight`);
}

/** A tensor that is no factor and neither whole nor an error, or null. */
function skipped(
  key: string,
  name: string,
  others: readonly string[],
  factors: ReadonlyMap<string, FactorKeys>,
): Skipped | null {
  // With bias: all PEFT writes the biases of modules_to_save under both names.
  const plain = key.replace(MODULE_TO_SAVE, '');
  if (plain !== key && others.includes(plain)) {
    return { name, reason: `"${key}" repeats "${plain}"`, lost: false };
  }
  const [, module, part] = TOKEN_ADAPTER.exec(key) ?? [];
  if (part !== undefined && !TOKENS_OF_BASE.test(part)) {
    const reason = `"${key}" replaces single rows (trainable_token_indices), which are not read`;
    return { name: baseName(`${module}.weight`), reason, lost: true };
  }
  // PEFT saves embeddings along with their factors (save_embedding_layers).
  if (part !== undefined || key.includes('.original_module.') || factors.has(name)) {
    return { name, reason: `"${key}" holds the base's own values`, lost: false };
  }
  return null;
}

/**
 * Sorts the keys of an adapter's tensors. The problems: two tensors for one place, and tensors that make the
 * delta another one than B A.
 */
export function sortKeys(keys: readonly string[]): AdapterKeys {
  const factors = new Map<string, FactorKeys>();
  const whole = new Map<string, string>();
  const sorted: AdapterKeys = { factors, whole, skipped: [], problems: [] };
  const others = sortFactors(keys, sorted, factors);
  for (const key of others) {
    const name = baseName(key);
    const skip = skipped(key, name, others, factors);
    if (isVariantPart(name, factors)) {
      sorted.problems.push(
        `"${key}" is no part of plain LoRA (a magnitude vector is DoRA's: the delta needs the base's norms); ` +
          MERGE_FIRST,
      );
    } else if (skip !== null) {
      sorted.skipped.push(skip);
    } else if (whole.has(name)) {
      sorted.problems.push(
        `"${whole.get(name)}" and "${key}" are both "${name}"; save one adapter to a file`,
      );
    } else {
      whole.set(name, key);
    }
  }
  return sorted;
}
