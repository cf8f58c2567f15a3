/**
 * A program from outside: the command line of Unitune, with an objective and an architecture of its
 * own. It is copied to a folder of its own and imports packages by name only.
 */
import { runCommand, UsageError } from "@unitune/cli";
import { objectivesCommand } from "@unitune/cli/objectives";
import { sampleCommand } from "@unitune/cli/sample";
import { trainCommand } from "@unitune/cli/train";
import {
  type Architecture,
  architectures,
  type Gpt,
  gpt,
  gpt2,
  type GptConfig,
} from "@unitune/models";
import {
  defineObjective,
  estimate,
  gold,
  indicator,
  nll,
  objective,
  objectiveRegistry,
  weight,
} from "@unitune/objectives";

/** Supervised fine-tuning with a weighted loss. */
const zealous = defineObjective({
  name: "zealous-sft",
  data: "demonstrations",
  reference: "none",
  teacher: false,
  values: false,
  trains: "policy",
  options: { zeal: { kind: "number", above: 0, default: 2, help: "The weight of the loss." } },
  make: ({ zeal }) => objective(estimate(gold, indicator), weight(zeal, nll())),
});

type OwnConfig = Omit<GptConfig, "modelType"> & { readonly modelType: "own_gpt" };
type OwnGpt = Omit<Gpt, "config"> & { readonly config: OwnConfig };

const asGpt2 = (config: OwnConfig): GptConfig => ({ ...config, modelType: "gpt2" });
const asOwn = (config: GptConfig): OwnConfig => ({ ...config, modelType: "own_gpt" });

/** GPT-2 under another name. */
const own: Architecture<OwnGpt> = {
  ...gpt2,
  modelType: "own_gpt",
  name: "Own GPT",
  make: (config) => ({ ...gpt(asGpt2(config)), config }),
  readConfig: (settings) => asOwn(gpt2.readConfig(settings)),
  writeConfig: (config) => gpt2.writeConfig(asGpt2(config)),
  tensors: { ...gpt2.tensors, tied: (config) => gpt2.tensors.tied(asGpt2(config)) },
  sizes: (config) => gpt2.sizes(asGpt2(config)),
  presets: {
    "own-tiny": { modelType: "own_gpt", context: 24, layers: 1, heads: 1, width: 8, dropout: 0 },
  },
};

const registries = {
  objectives: [...objectiveRegistry, zealous],
  architectures: [...architectures, own],
};

const commands = { train: trainCommand, sample: sampleCommand, objectives: objectivesCommand };

await runCommand(() => {
  const [name, ...argv] = Deno.args;
  const command = Object.entries(commands).find(([own]) => own === name)?.[1];
  if (command === undefined) throw new UsageError("name train, sample or objectives");
  return command(argv, registries);
});
