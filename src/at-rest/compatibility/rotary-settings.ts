import { firstStated, isObject, type JsonObject, textFirst } from './config.js';
import { POSITIONS } from './positions.js';

/** How a model places positions, by the names of transformers 4. Undefined: not stated, or switched off. */
export interface RotarySettings {
  readonly rope_theta?: unknown;
  /** of the layers with a sliding window, where they have their own */
  readonly rope_local_base_freq?: unknown;
  readonly rope_scaling?: JsonObject | undefined;
  readonly partial_rotary_factor?: unknown;
  readonly sliding_window?: unknown;
  readonly max_position_embeddings?: unknown;
}

/**
 * The settings of a configuration. Transformers 5 writes `rope_parameters` in place of `rope_theta` and
 * `rope_scaling`, one for all layers or one a kind of layer; a model that was only saved again by it is the same.
 */
export function rotarySettings(config: JsonObject): RotarySettings {
  const places = textFirst(config);
  const parameters = objectOf(firstStated(places, ['rope_parameters']));
  const full = parameters.full_attention;
  const main = isObject(full) ? full : parameters;
  const sliding = objectOf(parameters.sliding_attention);
  const scaling = objectOf(firstStated(places, ['rope_scaling']));
  const isWindowOff = firstStated(places, ['use_sliding_window']) === false;
  return {
    rope_theta: firstStated([main, ...places], ['rope_theta', 'rotary_emb_base', 'global_rope_theta']),
    rope_local_base_freq:
      firstStated([sliding], ['rope_theta']) ??
      firstStated(places, ['rope_local_base_freq', 'local_rope_theta']),
    rope_scaling: scalingOf(main) ?? scalingOf(scaling),
    partial_rotary_factor: firstStated([main, ...places], ['partial_rotary_factor', 'rotary_pct']),
    // Qwen2 has a window in its configuration that it does not use.
    sliding_window: isWindowOff ? undefined : firstStated(places, ['sliding_window']),
    max_position_embeddings: firstStated(places, POSITIONS),
  };
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The scaling alone, with one name for its kind; undefined if it scales nothing. */
function scalingOf(parameters: JsonObject): JsonObject | undefined {
  const { rope_theta: _theta, partial_rotary_factor: _factor, type, rope_type, ...rest } = parameters;
  const kind = rope_type ?? type;
  // "mrope" of Qwen2-VL was renamed to "default" beside its mrope_section.
  const isPlain = kind === undefined || kind === null || kind === 'default' || kind === 'mrope';
  const scaling = isPlain ? rest : { rope_type: kind, ...rest };
  return Object.keys(scaling).length === 0 ? undefined : scaling;
}
