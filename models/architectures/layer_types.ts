/** The kinds of layers in Hugging Face's settings: `layer_types` names the kind of each layer. */
import type { GatedDecoderConfig, LayerKind } from "./gated_decoder_config.ts";
import { type ModelSettings, settingError } from "./settings.ts";

/** The name of a kind: a layer sees all tokens before it, or those in a window. */
export type LayerType = "full_attention" | "sliding_attention";

/** The names of the kinds. */
export const layerTypes: readonly string[] = [
  "full_attention",
  "sliding_attention",
] satisfies LayerType[];

function isLayerType(name: unknown): name is LayerType {
  return typeof name === "string" && layerTypes.includes(name);
}

/**
 * The kind of each layer: those that settings list, or else those of a rule.
 *
 * @param architecture The readable name of the architecture.
 * @param settings The settings of the model.
 * @param layers The number of layers.
 * @param rule The kind of a layer, where settings list none.
 * @returns The kinds, first layer to last.
 * @throws {CheckpointError} If the list is of another length, or a kind is not supported.
 */
export function readLayerTypes(
  architecture: string,
  settings: ModelSettings,
  layers: number,
  rule: (layer: number) => LayerType,
): readonly LayerType[] {
  const list = settings.layer_types ?? undefined;
  if (list === undefined) return Array.from({ length: layers }, (_, layer) => rule(layer));
  if (Array.isArray(list) && list.length === layers && list.every(isLayerType)) return list;
  const expected = `a list of ${layers} names, each ${layerTypes.join(" or ")}`;
  throw settingError(architecture, "layer_types", list, expected);
}

/**
 * The kinds of layers in the shortest list that describes them: layer i is of kind
 * `i mod kinds.length`.
 *
 * @param types The name of each layer's kind.
 * @param kinds The kinds by name; they are asked for those that occur.
 * @returns The kinds that take turns.
 * @throws {RangeError} If there are no layers.
 */
export function kindsInTurn(
  types: readonly LayerType[],
  kinds: Readonly<Record<LayerType, () => LayerKind>>,
): GatedDecoderConfig["kinds"] {
  const isPeriod = (size: number) => types.every((type, layer) => type === types[layer % size]);
  const period = types.findIndex((_, i) => isPeriod(i + 1)) + 1;
  const [first, ...others] = types.slice(0, period).map((type) => kinds[type]());
  if (first === undefined) throw new RangeError("there are no layers; expected at least one");
  return [first, ...others];
}

/**
 * The settings of layers of which some see a window: `layer_types`, and the size of the window.
 *
 * @param config The configuration.
 * @returns The settings.
 */
export function writeLayerTypes({ kinds, layers }: GatedDecoderConfig): ModelSettings {
  const sliding = kinds.find(({ window }) => window !== null);
  return {
    sliding_window: sliding === undefined ? null : sliding.window,
    layer_types: Array.from({ length: layers }, (_, layer) => {
      const kind = kinds[layer % kinds.length];
      const type: LayerType = kind === undefined || kind.window === null
        ? "full_attention"
        : "sliding_attention";
      return type;
    }),
  };
}
