/**
 * Configurations of TRL as settings of Unitune. Each key of TRL is read where it means the same
 * here, told where it has no effect, and refused where it means something else.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { entryNamed, type ObjectiveEntry, type ObjectiveRegistry } from "@unitune/objectives";
import { nearest, UserError } from "@unitune/training";
import { kebabCase } from "../flags/flags.ts";
import { listed } from "../flags/words.ts";
import type { ConfigEntry, ConfigFile } from "./config_file.ts";
import { type TrlContext, type TrlKey, trlKeys } from "./trl_keys.ts";

/**
 * The objectives of TRL's losses. Those of its stable trainers have different names, so that a file
 * needs not say for which trainer it is.
 */
export const trlLosses: Readonly<Record<string, string>> = {
  // SFTConfig; the loss sft of DPOConfig is that of the chosen answers, which sft learns of pairs.
  ...{ nll: "sft", chunked_nll: "sft", dft: "dft", sft: "sft" },
  // DPOConfig
  ...{ sigmoid: "dpo", hinge: "hinge", ipo: "ipo", exo_pair: "exo", nca_pair: "nca" },
  ...{ robust: "robust", bco_pair: "bco", sppo_hard: "sppo", aot: "aot" },
  ...{ aot_unpaired: "aot-unpaired", apo_zero: "apo-zero", apo_down: "apo-down" },
  ...{ discopop: "discopop", sigmoid_norm: "dpo-norm" },
  // KTOConfig
  ...{ kto: "kto", apo_zero_unpaired: "apo-zero-unpaired" },
  // GRPOConfig
  ...{ grpo: "grpo", dapo: "dapo", dr_grpo: "dr-grpo", cispo: "cispo" },
  ...{ sapo: "sapo", vespo: "vespo", luspo: "luspo" },
  // CPOConfig, TPOConfig
  ...{ simpo: "simpo", alphapo: "alpha-po", "tpo-l": "tpo" },
};

/**
 * The objectives of losses of TRL's experimental trainers, whose names other trainers have as well:
 * read where the command line names an objective of the trainer.
 */
export const trainerLosses: readonly Readonly<Record<string, string>>[] = [
  // CPOConfig
  { sigmoid: "cpo", simpo: "simpo", alphapo: "alpha-po" },
  // TPOConfig
  { sigmoid: "tpo", hinge: "tpo", ipo: "tpo", "tpo-l": "tpo" },
  // OnlineDPOConfig, XPOConfig
  { sigmoid: "online-dpo" },
  { sigmoid: "xpo" },
  // SDPOConfig
  { dapo: "sdpo" },
];

/** Losses of TRL that Unitune leaves out, with the reasons. */
const absentLosses: Readonly<Record<string, string>> = {
  bnpo:
    "it is divided by the tokens of a micro-batch, so that the loss depends on how a batch is " +
    "cut; dapo is divided by those of the step",
};

/** The sums of losses of DPOConfig that are objectives, with their weights. */
const lossSums: readonly {
  readonly losses: readonly string[];
  readonly weights: readonly number[];
  readonly name: string;
}[] = [
  { losses: ["sigmoid", "sft"], weights: [1, 1], name: "rpo" },
  { losses: ["sigmoid", "bco_pair", "sft"], weights: [0.8, 0.2, 1], name: "mpo" },
];

/** The command line beside a configuration of TRL. */
export interface TrlFlags {
  /** The objectives. */
  readonly registry: ObjectiveRegistry;
  /** The value of a setting that the command line gives. */
  readonly flag: (setting: string) => unknown;
}

/** A configuration of TRL as one of Unitune. */
export interface TrlConfig {
  /** The settings. */
  readonly config: ConfigFile;
  /** The keys that were read, with the settings that they became. */
  readonly read: readonly { readonly key: string; readonly settings: readonly string[] }[];
  /** The keys without effect, with the reasons. */
  readonly idle: readonly { readonly key: string; readonly why: string }[];
}

/** The refusal of a key. */
function refusal({ place, written, value }: ConfigEntry, why: string): UserError {
  return new UserError(`${place}: ${quoted(written)} can't be ${quoted(value)}: ${why}`);
}

/** Whether two lists have the same elements. */
function areSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** The name of the objective in a file; undefined where it does not say. */
function objectiveIn(
  entries: readonly ConfigEntry[],
  given: ObjectiveEntry | undefined,
): { readonly name: string; readonly entry: ConfigEntry } | undefined {
  const entry = entries.find(({ written }) => written === "loss_type");
  if (entry === undefined || entry.value === null) return undefined;
  const losses: readonly unknown[] = [entry.value].flat();
  const [loss] = losses;
  if (losses.length > 1) {
    const weights = entries.find(({ written }) => written === "loss_weights")?.value ??
      losses.map(() => 1);
    const sum = lossSums.find((own) =>
      areSame(own.losses, losses) && areSame(own.weights, [weights].flat())
    );
    if (sum !== undefined) return { name: sum.name, entry };
    throw refusal(
      entry,
      "of sums of losses there are " +
        lossSums.map(({ losses, weights, name }) =>
          `${name}, ${losses.join(" + ")} with the weights ${weights.join(", ")}`
        ).join("; "),
    );
  }
  const ofTrainer = trainerLosses.find((own) =>
    given !== undefined && Object.values(own).includes(given.name) &&
    Object.hasOwn(own, String(loss))
  )?.[String(loss)];
  if (ofTrainer !== undefined) return { name: ofTrainer, entry };
  if (typeof loss === "string" && Object.hasOwn(absentLosses, loss)) {
    throw refusal(entry, absentLosses[loss] ?? "");
  }
  if (typeof loss !== "string" || !Object.hasOwn(trlLosses, loss)) {
    const meant = typeof loss === "string" ? nearest(loss, Object.keys(trlLosses)) : undefined;
    throw refusal(
      entry,
      meant === undefined
        ? "Unitune does not have it under TRL's name; `deno task objectives` lists all"
        : `did you mean ${meant}?`,
    );
  }
  const valueOf = (key: string) => entries.find(({ written }) => written === key)?.value;
  if (loss === "luspo" && valueOf("importance_sampling_level") !== "sequence") {
    throw refusal(
      entry,
      "TRL has ratios of tokens where it is not told, Unitune of sequences, as the paper: add " +
        "importance_sampling_level: sequence",
    );
  }
  const isGrpo = loss === "grpo";
  const isSequence = isGrpo && valueOf("importance_sampling_level") === "sequence";
  const hasKl = isGrpo && Number(valueOf("beta") ?? 0) !== 0;
  if (isSequence) return { name: "gspo", entry };
  return { name: hasKl ? "grpo-kl" : trlLosses[loss] ?? loss, entry };
}

/** The objective that is trained: that of the command line, of the file, or the first of all. */
function objectiveOf(
  entries: readonly ConfigEntry[],
  { registry, flag }: TrlFlags,
): ObjectiveEntry {
  const named = flag("objective");
  const given = typeof named === "string" ? entryNamed(registry, named) : undefined;
  const found = objectiveIn(entries, given);
  if (found !== undefined && given !== undefined && found.name !== given.name) {
    throw refusal(
      found.entry,
      `it is the objective ${found.name}, and --objective names ${given.name}; leave out one of them`,
    );
  }
  const objective = given ??
    (found === undefined ? registry[0] : entryNamed(registry, found.name));
  if (objective !== undefined) return objective;
  throw new UserError(`there is no objective ${quoted(found?.name ?? named)}`);
}

/** The key of TRL that an entry has. */
function keyOf({ written, place }: ConfigEntry): TrlKey {
  const key = Object.hasOwn(trlKeys, written) ? trlKeys[written] : undefined;
  if (key !== undefined) return key;
  const meant = nearest(written, Object.keys(trlKeys));
  throw new UserError(
    `${place}: TRL 1.13 has no key ${quoted(written)}${
      meant === undefined ? "" : `: did you mean ${meant}?`
    }`,
  );
}

/**
 * A configuration of TRL as settings of Unitune. A key that is absent keeps Unitune's default.
 *
 * @param file The file, with the keys of TRL.
 * @param flags What the command line says, which takes precedence.
 * @returns The settings, and what became of the keys.
 * @throws {UserError} If a key is unknown or means something that Unitune does not do; the message
 * names it, its place and the reason.
 *
 * @example
 * ```ts
 * import { trlConfig } from "./trl.ts";
 * import { jsonConfig } from "./config_file.ts";
 * import { objectiveRegistry } from "@unitune/objectives";
 * import { assertEquals } from "@std/assert";
 *
 * const file = jsonConfig({ per_device_train_batch_size: 4, bf16: true }, "sft.json");
 * const { config, idle } = trlConfig(file, { registry: objectiveRegistry, flag: () => undefined });
 * assertEquals(config.stages[0]?.entries.map(({ name, value }) => [name, value]), [
 *   ["batchSize", 4],
 * ]);
 * assertEquals(idle, [{ key: "bf16", why: "Unitune computes in f32" }]);
 * ```
 */
export function trlConfig(file: ConfigFile, flags: TrlFlags): TrlConfig {
  const [stage, ...others] = file.stages;
  if (stage === undefined || others.length > 0 || file.isOfRun) {
    throw new UserError(`${file.path} is not TRL's: it has the settings of a run, or of stages`);
  }
  const { entries } = stage;
  const objective = objectiveOf(entries, flags);
  const context: TrlContext = {
    objective,
    valueOf: (key) => entries.find(({ written }) => written === key)?.value ?? undefined,
    flag: flags.flag,
  };
  const readings = entries.map((entry) => {
    const { read, ofNull = { kind: "same" } } = keyOf(entry);
    return { entry, reading: entry.value === null ? ofNull : read(entry.value, context) };
  });
  for (const { entry, reading } of readings) {
    if (reading.kind === "refused") throw refusal(entry, reading.why);
  }
  const read = readings.flatMap(({ entry, reading }) =>
    reading.kind === "settings" ? [{ entry, settings: reading.settings }] : []
  );
  return {
    config: {
      ...file,
      stages: [{
        place: stage.place,
        entries: read.flatMap(({ entry, settings }) =>
          Object.entries(settings).map(([name, value]) => ({ ...entry, name, value }))
        ),
      }],
    },
    read: read.map(({ entry: { written }, settings }) => ({
      key: written,
      settings: Object.keys(settings),
    })),
    idle: readings.flatMap(({ entry: { written }, reading }) =>
      reading.kind === "idle" ? [{ key: written, why: reading.why }] : []
    ),
  };
}

/**
 * What became of the keys of a configuration of TRL, in sentences.
 *
 * @param converted The configuration.
 * @returns The sentences.
 */
export function describeTrl({ config: { path }, read, idle }: TrlConfig): string {
  const settings = read.map(({ key, settings }) =>
    `${key} as ${listed(settings.map((name) => `--${kebabCase(name)}`))}`
  );
  const others = idle.map(({ key, why }) => `${key} (${why})`);
  return [
    ...settings.length === 0 ? [] : [
      `${path} has settings of TRL, read as those of Unitune: ` +
      settings.join(", "),
    ],
    ...others.length === 0 ? [] : [`keys of TRL that change nothing here: ${others.join(", ")}`],
    "settings that the file leaves out have Unitune's defaults, not TRL's: docs/configuration.md " +
    "compares them",
  ].join("\n");
}
