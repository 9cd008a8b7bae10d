import { listProblems, MergeguardError } from './errors.js';

/** What PEFT's config can ask for beyond plain LoRA, and why the delta is then not scale B A. */
const VARIANTS: Readonly<Record<string, string>> = {
  use_dora: "DoRA's delta needs the norms of the base's weights",
  use_qalora: 'QALoRA pools the inputs of lora_A',
  use_bdlora: 'BD-LoRA stores the blocks of block-diagonal matrices',
  kasa_config: 'KaSA truncates the base and scales between lora_A and lora_B',
  monteclora_config: 'MonteCLoRA samples its weights',
  arrow_config: 'Arrow routes between several adapters',
  alora_invocation_tokens: 'aLoRA applies to some tokens only (PEFT cannot merge it either)',
  target_parameters: 'which parameters of a module are adapted is not in the file',
  layer_replication: 'the layers adapted are copies that the base does not hold',
};

/** Initializations that subtract from or quantize the base's weights before training. */
const CHANGES_BASE = /^(pissa|corda|olora|loftq|lora_ga)/i;

/** PEFT writes every option it knows: null, false and empty ones are off. */
function isOn(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    return Object.keys(value).length > 0;
  }
  return value !== undefined && value !== null && value !== false;
}

/** @throws MergeguardError for an adapter whose delta is not scale B A over the base as it is, with every reason */
export function refuseOthers(json: Record<string, unknown>, path: string): void {
  const { peft_type: type, init_lora_weights: init } = json;
  if (type !== 'LORA') {
    throw new MergeguardError(
      `the adapter's config "${path}" has the peft_type ${JSON.stringify(type)}; supported is "LORA" alone: ` +
        `merge the adapter into its base first (PEFT's merge_and_unload()) and give the merged model`,
    );
  }
  const problems: string[] = [];
  for (const [option, why] of Object.entries(VARIANTS)) {
    if (isOn(json[option])) problems.push(`"${option}" is ${JSON.stringify(json[option])}: ${why}`);
  }
  if (typeof init === 'string' && CHANGES_BASE.test(init)) {
    problems.push(
      `"init_lora_weights" is "${init}", which changes the base's own weights; save_pretrained(..., ` +
        `path_initial_model_for_weight_conversion=...) writes it as plain LoRA`,
    );
  }
  if (problems.length > 0) {
    const heading =
      `the adapter's config "${path}" asks for more than plain LoRA, the only kind that is read; merge the ` +
      `adapter into its base first (PEFT's merge_and_unload()) and give the merged model:`;
    throw new MergeguardError(listProblems(heading, problems));
  }
}
