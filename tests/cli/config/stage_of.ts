/** Configuration files of one stage. */
import { type ConfigStage, jsonConfig } from "../../../cli/config/config_file.ts";

/** The settings in a value that was read from JSON. */
export function stageOf(value: unknown, path = "config.json"): ConfigStage {
  const [stage] = jsonConfig(value, path).stages;
  if (stage === undefined) throw new RangeError("a configuration has a stage");
  return stage;
}
